"""Stores on the session's S3 server, and what tests do to them past Upkeep."""

from pathlib import Path

from infra.copying import Duplicate
from infra.object_store import ObjectStore, connect
from infra.s3 import split_uri

Objects = dict[str, bytes]


def store_on(url: str, bucket: str, folder: Path) -> ObjectStore:
    """Empty, also where the bucket was used before."""
    store = connect(
        bucket=bucket, prefix="models/test/", cache=folder / "cache", endpoint_url=url, region="us-east-1",
        access_key="test", secret_key="test",
    )  # fmt: skip
    store.client.create_bucket(Bucket=bucket)
    for key in _keys(store):
        store.client.delete_object(Bucket=bucket, Key=key)
    return store


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
