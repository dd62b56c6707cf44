"""One object copied inside a store, as tests need it."""

from infra.copying import Duplicate
from infra.object_store import ObjectStore


def copy(store: ObjectStore, source: str, target: str) -> None:
    """Both are keys."""
    size = store.client.head_object(Bucket=store.bucket, Key=store.prefix + source)["ContentLength"]
    store.copy_files([Duplicate(store.uri(source), store.uri(target), size)])
