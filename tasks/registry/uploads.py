"""Uploads whose process died, and with it what it knew of them: the store would keep their parts for ever."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from errors import StoreError
from infra.object_store import ObjectStore
from infra.unfinished import abort_unfinished, list_unfinished
from models.contracts import Removal


def collect_uploads(age: timedelta, *, now: datetime, apply: bool, store: ObjectStore) -> Iterator[Removal]:
    """Below the model's own prefix, those that nobody went on with for so long; aborts none without `apply`. Where the
    store does not show or end them, that is said, and is no reason for gc to fail: its other work is done."""
    try:
        for found in list_unfinished(store.client, store.bucket, store.prefix, before=now - age):
            if apply:
                abort_unfinished(store.client, found)
            yield Removal(
                what=f"upload of {store.key_of(found.uri)}", bytes=found.bytes, removed=True,
                because=f"nobody went on with it for {age.days} days",
            )  # fmt: skip
    except StoreError as problem:
        yield Removal(
            what="uploads", bytes=0, removed=False, because=f"those that nobody ended could not be collected: {problem}"
        )
