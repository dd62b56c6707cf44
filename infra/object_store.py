"""The object store: S3 through boto3, scoped to one model.

Blobs are named by their content, so writing one twice is harmless. What must be decided between writers
(a version's number, an alias' next generation, the end of a run) is written with `if_absent`.
"""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from errors import KeyTaken, MissingObject, StoreError
from infra.api_keys import ApiKeys
from infra.conditional import keeps_conditions, refusal
from infra.hashing import Hashes
from infra.keys import NAMED
from infra.release_keys import ReleaseKeys
from infra.s3 import Listed, list_items, open_client, read_object, read_whole, split_uri, translated
from infra.single_writer import SingleWriter
from infra.stored_files import StoredFiles

READERS = 8
"""As many as the client keeps connections open, and two to spare."""
USED_AGAIN = timedelta(days=7)
"""What is read as work that was done already says at least so often that somebody still uses it."""


class ObjectStore(StoredFiles):
    """One model's part of a bucket. `cache` keeps what was downloaded, by content."""

    def __init__(self, client: Any, bucket: str, *, prefix: str, cache: Path, single_writer: bool = False) -> None:
        self.client, self.bucket, self.prefix, self.cache = client, bucket, prefix, cache
        self.single_writer = SingleWriter(client, bucket, prefix, cache.parent) if single_writer else None
        self.release_keys, self.api_keys, self.hashes = ReleaseKeys(), ApiKeys(), Hashes()
        self.timings: list[tuple[str, float, bool]] = []
        """(stage, seconds, reused) of this process, for the run's report."""

    # --- small objects ---

    def put_bytes(self, key: str, data: bytes, *, if_absent: bool = False) -> None:
        """Writes an object. With `if_absent` raises KeyTaken where there is another one already; the same bytes are
        taken for our own, written by a try whose answer was lost."""
        if not if_absent:
            return self._put(key, data)
        try:
            self._create(key, data)
        except StoreError:
            if self.find_bytes(key) != data:
                raise

    def _create(self, key: str, data: bytes) -> None:
        if self.keeps_conditions:
            return self._put(key, data, IfNoneMatch="*")
        if self.single_writer is None:
            raise refusal(self.bucket, self.client.meta.endpoint_url)
        with self.single_writer.alone():
            if self.exists(key):
                raise KeyTaken(f"{self.uri(key)}: already written by another run")
            return self._put(key, data)

    def _put(self, key: str, data: bytes, **condition: str) -> None:
        with translated(self.uri(key)):
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data, **condition)

    @cached_property
    def keeps_conditions(self) -> bool:
        """Whether writers can be told apart by the store itself."""
        return keeps_conditions(self.client, self.bucket, self.prefix, cache=self.cache)

    def get_bytes(self, key: str) -> bytes:
        with translated(self.uri(key)):
            data: bytes = read_object(self.client, self.bucket, self.prefix + key, lambda body: body.read())
        return data

    def find_bytes(self, key: str) -> bytes | None:
        """None where nothing is there."""
        try:
            return self.get_bytes(key)
        except MissingObject:
            return None

    def get_each(self, keys: Sequence[str]) -> list[bytes]:
        """Small objects, in the order of their keys; several at a time, since over a network each waits for its answer."""
        if len(keys) < 2:
            return [self.get_bytes(key) for key in keys]
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(self.get_bytes, keys))

    def get_used(self, key: str) -> bytes:
        """An object that saves work, such as a finished stage's record. It is written again, unchanged, where nobody did
        so for a week: `upkeep gc` deletes those that are old, and so only those that nobody uses."""
        with translated(self.uri(key)):
            data, modified = read_whole(
                lambda: self.client.get_object(Bucket=self.bucket, Key=self.prefix + key),
                lambda answer: (bytes(answer["Body"].read()), answer["LastModified"]),
            )
        if datetime.now(UTC) - modified > USED_AGAIN:
            self._put(key, data)
        return data

    def exists(self, key: str) -> bool:
        try:
            with translated(self.uri(key)):
                self.client.head_object(Bucket=self.bucket, Key=self.prefix + key)
        except MissingObject:
            return False
        return True

    def list_keys(self, prefix: str, *, limit: int | None = None, named: re.Pattern[str] = NAMED) -> list[str]:
        """Keys below a prefix whose last part is so `named`, relative to the model, in lexical order."""
        with translated(self.uri(prefix)):
            items = list_items(self.client, self.bucket, self.prefix + prefix)
            keys = (item["Key"].removeprefix(self.prefix) for item in items)
            return list(islice((key for key in keys if named.fullmatch(key.rpartition("/")[2])), limit))

    def delete(self, key: str) -> None:
        with translated(self.uri(key)):
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    # --- anybody's objects, read only: data sources and model sources ---

    def list_objects(self, uri: str) -> Iterator[Listed]:
        """Every object below an s3:// prefix, in lexical order."""
        bucket, prefix = split_uri(uri)
        with translated(uri):
            for item in list_items(self.client, bucket, prefix):
                yield Listed(f"s3://{bucket}/{item['Key']}", item["Size"], item.get("ETag", ""), item["LastModified"])

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{key}"

    def key_of(self, uri: str) -> str:
        """The key of an object of this model."""
        own = self.uri("")
        if not uri.startswith(own):
            raise StoreError(f"{uri} is not below {own}; it belongs to another model or bucket")
        return uri.removeprefix(own)


def connect(
    *, bucket: str, prefix: str, cache: Path, endpoint_url: str | None, region: str,
    access_key: str | None, secret_key: str | None, single_writer: bool = False,
) -> ObjectStore:  # fmt: skip
    """An object store on any S3-compatible server. `single_writer`: nobody else writes, where it keeps no conditions."""
    client = open_client(endpoint_url=endpoint_url, region=region, access_key=access_key, secret_key=secret_key)
    return ObjectStore(client, bucket, prefix=prefix, cache=cache, single_writer=single_writer)
