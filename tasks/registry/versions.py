"""Immutable versions: plain model files under a prefix of their own, described by a manifest. A version without one does not
exist."""

from errors import CorruptObject, MissingObject, SpecError
from infra.files import Stored
from infra.keys import versions_of
from infra.object_store import ObjectStore
from infra.sealed import unsealed
from models.contracts import (
    EVIDENCE,
    Evidence,
    Manifest,
    Weights,
)
from models.variants import is_of_a_variant
from tasks.registry.moving import is_entombed
from tasks.security.signing import require_signature

ELSEWHERE = "Where something was released before, the spec's name, UPKEEP_S3_BUCKET, UPKEEP_S3_PREFIX or UPKEEP_HOME is another now."


def read_version(version: int, *, store: ObjectStore) -> Manifest:
    key = store.keys.manifest(version)
    try:
        manifest = unsealed(Manifest, store.get_bytes(key), uri=store.uri(key))
    except MissingObject as problem:
        fate = "was deleted by `upkeep gc`" if is_entombed(version, store=store) else "does not exist"
        others = list_versions(store=store)
        known = f"there are: {others}" if others else f"there is none below {store.uri('')}. {ELSEWHERE}"
        raise SpecError(f"version {version} {fate}; {known}") from problem
    if manifest.version != version:
        raise CorruptObject(f"{store.uri(key)} is of {manifest.model!r} version {manifest.version}: it was copied there. "
                            "Nothing was loaded. Restore the object from a copy or an older object version.")  # fmt: skip
    return manifest


def read_evidence(manifest: Manifest, *, store: ObjectStore) -> Evidence:
    """Scorecard and verdicts of a version that was judged against a champion: every one but the first."""
    file = next(file for file in manifest.files if file.path == EVIDENCE)
    uri = store.uri(store.keys.version(manifest.version) + EVIDENCE)
    return Evidence.model_validate_json(store.get_file(Stored(uri, file.sha256, file.bytes)).read_bytes())


def why_chosen(manifest: Manifest, *, store: ObjectStore) -> Evidence | None:
    """None of a first champion, which was judged against no other."""
    return read_evidence(manifest, store=store) if manifest.parent and manifest.evidence_sha256 else None


def list_versions(*, store: ObjectStore) -> list[int]:
    """The versions that are whole."""
    keys = store.list_keys(store.keys.versions)
    return sorted(versions_of(key for key in keys if key.endswith("/manifest.json") and key.count("/") == 2))


def weights_of(manifest: Manifest, *, store: ObjectStore) -> Weights:
    """What a released version is loaded from, without its variants. UnsignedRelease where the spec demands a signature and it is not valid."""
    require_signature(manifest, store=store)
    prefix = store.keys.version(manifest.version)
    files = tuple(file for file in manifest.files if not is_of_a_variant(file.path))
    return Weights(prefix=prefix, files=files, content_digest=manifest.content_digest + "-released")
