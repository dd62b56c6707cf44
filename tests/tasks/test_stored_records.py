"""A record of a run that somebody or something changed is named, and does not end a command as a bug of Upkeep."""

from collections.abc import Callable

import pytest

from errors import CorruptObject
from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import LabelRequest
from tasks.history import read_history
from tasks.opened import open_run_of
from tasks.returned_labels import read_requests

UNREADABLE = r"no \w+ that could be read"


@once("stage")
def work(*, store: ObjectStore) -> LabelRequest:
    raise AssertionError("it is found")


def a_stage(store: ObjectStore) -> str:
    """The key under which `work` is remembered."""
    from infra.stages import input_digest

    return store.keys.stage("stage", input_digest("stage", (), {}))


@pytest.mark.parametrize(
    ("key", "read", "told"),
    [
        (lambda store: store.keys.finished(1), lambda store: read_history(store=store), "not what was written there"),
        (lambda store: store.keys.open_run, lambda store: open_run_of(store=store), UNREADABLE),
        (lambda store: store.keys.request("20260101-000000-abc"), read_requests, UNREADABLE),
        (a_stage, lambda store: work(store=store), UNREADABLE),
    ],
    ids=["history", "open run", "labels that were asked for", "stage"],
)
@pytest.mark.parametrize("data", [b'{"sequence": 1, "rows', b'{"run_id": "private words"}', b"\xff"])
def test_a_record_that_cannot_be_read_is_named_by_its_address(
    data: bytes, key: Callable[[ObjectStore], str], read: Callable[[ObjectStore], object], told: str, store: ObjectStore
) -> None:
    store.put_bytes(key(store), data)
    with pytest.raises(CorruptObject, match=f"{store.uri(key(store))} is {told}") as caught:
        read(store)
    assert "private" not in str(caught.value)
