"""Stores on the session's S3 server, and what tests do to them past Upkeep."""

from pathlib import Path
from typing import Any

from infra.conditional import ROUNDS, remember
from infra.copying import Duplicate
from infra.object_store import ObjectStore, connect
from infra.s3 import split_uri
from tests.servers import BUCKET, KEY, SECRET

Objects = dict[str, bytes]
TO_ALL: dict[str, Any] = {"bucket": BUCKET, "region": "us-east-1", "access_key": KEY, "secret_key": SECRET}
AT_ONCE = 1000


def store_on(url: str, folder: Path, *, prefix: str) -> ObjectStore:
    """Emptied of what the test before left. All have one bucket: others would cost the server more, and what is put back
    from one test to the next (`tests/flows/champions.py`) names it."""
    store = connect(**{**TO_ALL, "endpoint_url": url, "prefix": prefix, "cache": folder / "cache"})
    remember([1] * ROUNDS, store.client, store.bucket, cache=store.cache)  # a race takes a second or more
    left = [{"Key": key} for key in _keys(store)]
    for start in range(0, len(left), AT_ONCE):
        store.client.delete_objects(Bucket=BUCKET, Delete={"Objects": left[start : start + AT_ONCE], "Quiet": True})
    return store


def address_of(store: ObjectStore) -> dict[str, Any]:
    """Arguments by which another client gets to the same store."""
    url = store.client.meta.endpoint_url
    return {**TO_ALL, "endpoint_url": url, "prefix": store.prefix, "cache": store.cache}


def objects_of(store: ObjectStore) -> Objects:
    """The whole bucket."""
    return {key: store.client.get_object(Bucket=store.bucket, Key=key)["Body"].read() for key in _keys(store)}


def put_back(objects: Objects, store: ObjectStore) -> None:
    for key, data in objects.items():
        store.client.put_object(Bucket=store.bucket, Key=key, Body=data)


def copy(store: ObjectStore, source: str, target: str) -> None:
    """Both are keys."""
    size = store.client.head_object(Bucket=store.bucket, Key=store.prefix + source)["ContentLength"]
    store.copy_files([Duplicate(store.uri(source), store.uri(target), size)])


def _keys(store: ObjectStore) -> list[str]:
    return [split_uri(found.uri)[1] for found in store.list_objects(f"s3://{store.bucket}/")]
