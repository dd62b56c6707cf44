"""Reading every byte of a version before an alias moves to it."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import MissingObject
from infra.object_store import ObjectStore
from models.adapter import load_model
from models.contracts import Manifest, ModelKind
from tasks.registry.versions import read_version
from tasks.security.signing import require_signature


@task(name="verify version", cache_policy=NO_CACHE)
def verify_version(manifest: Manifest, *, kind: ModelKind, store: ObjectStore) -> Manifest:
    """Downloads, verifies and loads a version, past any cache; raises where it is not what was released."""
    require_signature(manifest, store=store)
    with store.draft("verify") as draft:
        try:
            store.download_folder(store.keys.version(manifest.version), manifest.files, draft)
        except MissingObject:
            read_version(manifest.version, store=store)  # where `upkeep gc` deleted it meanwhile, says so
            raise
        load_model(draft, kind.model_copy(update={"task": manifest.task}), keys=store.api_keys)
    return manifest
