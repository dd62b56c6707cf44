"""Takes a spec's model into the store: from a folder, an s3:// prefix, the hub, or as the id that an API knows it by."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import ModelError, SpecError, StoreError, redact_causes
from infra.keys import Keys
from infra.object_store import ObjectStore
from models.contracts import ModelKind, Weights
from models.plain_files import MODEL_FILES, Code, refuse_names
from models.sections import ModelSource
from tasks.finetuning import store_folder

TOO_MANY, BROKEN = 429, 500
"""HTTP's answers from which on, or at which, one may ask again."""
PROXIES = ("http", "https", "socks5", "socks5h")


def may_pass(task: Any, run: Any, state: Any) -> bool:
    """Whether another try may end otherwise: where a store or the hub stumbled, and not where a model is refused or nobody
    knows its name."""
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    cause = getattr(state.data, "__cause__", None)
    if isinstance(cause, HfHubHTTPError):
        return cause.response is None or cause.response.status_code == TOO_MANY or cause.response.status_code >= BROKEN
    return isinstance(state.data, StoreError) or (isinstance(cause, LocalEntryNotFoundError) and not HF_HUB_OFFLINE)


@task(name="import source model", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=5, retry_condition_fn=may_pass)
def import_source(
    source: ModelSource, *, base: str, store: ObjectStore, field: str = "model.source", prefix: str = Keys.candidates
) -> Weights:  # fmt: skip
    """The spec's model, from a folder, an s3:// prefix or the hub, copied into the store below `prefix`. `field` of the
    spec named it.

    Raises UnsafeModel where a folder or prefix holds a pickle, an archive, or code that the spec does not name, and
    ModelError where a revision is to pin what has none.
    From the hub, only files that a model may consist of are asked for.
    """
    code, named = source.trust_remote_code, source.source or ""
    folder = Path(base) / named
    in_store = named.startswith("s3://")
    if source.revision and (in_store or folder.is_dir()):
        raise ModelError(f"model.revision: {source.revision!r} pins a hub id, and {named!r} is "
                         f"{'an s3:// prefix' if in_store else f'a folder ({folder})'}, which has no revisions; drop it, or "
                         "name a hub id that is no folder beside the spec")  # fmt: skip
    if in_store:
        return _from_prefix(named.rstrip("/") + "/", code, store, prefix)
    found = folder if folder.is_dir() else _from_hub(source, folder, field)
    return store_folder(found, store, code=code, prefix=prefix)


def _from_prefix(uri: str, code: Code, store: ObjectStore, prefix: str) -> Weights:
    names = [found.uri.removeprefix(uri) for found in store.list_objects(uri)]
    refuse_names(names, source=uri)
    with store.draft("source") as draft:
        for name in names:
            if any(Path(name).match(pattern) for pattern in (*MODEL_FILES, "*.py")):
                store.fetch_uri(uri + name, draft / name)
        return store_folder(draft, store, code=code, prefix=prefix)


def _from_hub(source: ModelSource, looked_at: Path, field: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    _refuse_proxies()
    try:
        wanted = [*MODEL_FILES, *source.trust_remote_code]
        return Path(snapshot_download(source.source or "", revision=source.revision, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ImportError) as problem:
        redact_causes(problem)
        reason = str(problem).splitlines()[0]
        raise ModelError(
            f"{field} {source.source!r} is neither a folder ({looked_at}) nor can the hub give it: {reason}. "
            "Write a folder relative to the spec, an s3:// prefix, or a hub id that this machine can reach."
        ) from problem


def _refuse_proxies() -> None:
    """What is wrong with one, the hub's client raises bare, and does not say where it is set. It is not shown: a password
    before an @ is only seen as such behind a scheme."""
    given = getproxies()
    for kind in ("http", "https", "all"):
        if kind in given and not _is_proxy(given[kind]):
            raise SpecError(f"{kind.upper()}_PROXY (or {kind}_proxy) is no address of a proxy by which the hub can be asked for a "
                            f"model: write http://host:port there, or unset it; schemes are {', '.join(PROXIES)}")  # fmt: skip


def _is_proxy(address: str) -> bool:
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        return parts.scheme in PROXIES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half a bracket, or a port that is none
        return False


@task(name="pin hosted model", cache_policy=NO_CACHE)
def pin_hosted(kind: ModelKind, *, store: ObjectStore) -> Weights:
    """The model id and prompt of the spec, as the one file of a version."""
    from models.hosted import pin

    with store.draft("pinned") as folder:
        return store_folder(pin(kind, folder / "version"), store, hosted=True)
