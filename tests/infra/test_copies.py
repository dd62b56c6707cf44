"""Copies inside the store, by one request and in parts, and what holds for parts that are sent too."""

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, NoCredentialsError, ReadTimeoutError

from errors import StoreError
from infra import copying, sending
from infra.copying import Duplicate
from infra.object_store import ObjectStore
from tests.infra.transfers import Requests, deny


def test_an_empty_file_that_the_store_does_not_copy_in_time_is_an_error_since_it_has_no_parts(
    store: ObjectStore, small: Path
) -> None:
    def hang(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="there")

    small.write_bytes(b"")
    stored = store.put_file("k", small)
    store.client.meta.events.register("before-send.s3.CopyObject", hang)
    with pytest.raises(StoreError, match=r"k \(to be copied to .*/copy\): Read timeout"):
        store.copy_files([Duplicate(stored.uri, store.uri("copy"), 0)])


LATE, CLOSED = ReadTimeoutError(endpoint_url="there"), ConnectionClosedError(endpoint_url="there")
NOT_FOUND, DENIED, BROKEN, TOO_LATE = (
    ClientError({"Error": {"Code": "Odd"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "CopyObject")  # type: ignore[arg-type, typeddict-item]
    for status in (404, 403, 500, 504)
)


@pytest.mark.parametrize(
    ("large", "problem", "parts"),
    [(False, LATE, 1), (True, LATE, 2), (True, CLOSED, 2), (True, BROKEN, 2), (True, TOO_LATE, 2),
     (False, CLOSED, 0), (False, TOO_LATE, 0), (True, DENIED, 0), (True, NOT_FOUND, 0), (True, NoCredentialsError(), 0)],
)  # fmt: skip
def test_what_one_request_does_not_copy_in_time_is_copied_in_parts_and_what_it_may_not_copy_is_an_error(
    large: bool, problem: Exception, parts: int, store: ObjectStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    least = 5 << 20
    monkeypatch.setattr(copying, "PART", least)
    small.write_bytes(bytes(least + large))
    stored = store.put_file("k", small)
    monkeypatch.setattr(store.client, "copy_object", Mock(side_effect=problem))
    asked = Requests(store)
    with nullcontext() if parts else pytest.raises(StoreError):
        store.copy_files([Duplicate(stored.uri, store.uri("copy"), stored.bytes)])
    assert asked.count["UploadPartCopy"] == parts
    assert store.exists("copy") == bool(parts)
    assert not parts or store.get_bytes("copy") == store.get_bytes("k")


@pytest.mark.parametrize(("least", "together"), [(4, 1), (5, 3)], ids=["large", "small"])
def test_of_large_files_as_many_are_copied_at_once_as_are_written_and_small_ones_do_not_wait(
    least: int, together: int, store: ObjectStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, all_there = threading.Lock(), threading.Barrier(together, timeout=30)
    under_way, most = list[str](), list[int]()

    def begin(model: Any, **_: Any) -> None:
        with lock:
            under_way.append(model.name)
            most.append(len(under_way))
        all_there.wait()
        time.sleep(0.05)

    def end(model: Any, **_: Any) -> None:
        with lock:
            under_way.remove(model.name)

    stored = store.put_file("k", small)
    monkeypatch.setattr(copying, "PART", least)
    monkeypatch.setattr(copying, "writers", lambda _: 1)
    store.client.meta.events.register("before-call.s3.CopyObject", begin)
    store.client.meta.events.register("after-call.s3.CopyObject", end)
    store.copy_files([Duplicate(stored.uri, store.uri(f"copy/{number}"), 5) for number in range(3)])
    assert len(most) == 3 and max(most) == together


def test_an_object_that_is_replaced_while_its_parts_are_copied_is_told_as_that(
    store: ObjectStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(**_: Any) -> None:
        store.put_bytes("k", b"other")

    monkeypatch.setattr(copying, "WHOLE", 0)
    stored = store.put_file("k", small)
    store.client.meta.events.register("before-call.s3.CreateMultipartUpload", replace)
    with pytest.raises(StoreError, match=r"k \(to be copied to .*/copy\): it was replaced meanwhile; run again, to"):
        store.copy_files([Duplicate(stored.uri, store.uri("copy"), 5)])
    assert not store.exists("copy")


def test_a_store_that_does_not_name_what_is_there_is_not_asked_for_that_as_its_parts_are_copied(
    store: ObjectStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "WHOLE", 0)
    stored = store.put_file("k", small)
    store.client.meta.events.register("after-call.s3.HeadObject", lambda parsed, **_: parsed.pop("ETag"))
    store.copy_files([Duplicate(stored.uri, store.uri("copy"), 5)])
    assert store.get_bytes("copy") == b"small"


# --- in parts, either way ---

Move = Callable[[], object]


@pytest.fixture(params=["send", "copy"])
def move(request: pytest.FixtureRequest, store: ObjectStore, small: Path, monkeypatch: pytest.MonkeyPatch) -> Move:
    """Brings a file of two parts, one by one, to `k`."""
    least = 5 << 20
    small.write_bytes(bytes(least + 1))
    stored = store.put_file("small", small)
    for module in (sending, copying):
        monkeypatch.setattr(module, "PART", least)
        monkeypatch.setattr(module, "writers", lambda _: 1)
    monkeypatch.setattr(copying, "WHOLE", 0)
    if request.param == "send":
        return lambda: store.put_file("k", small)
    return lambda: store.copy_files([Duplicate(stored.uri, store.uri("k"), least + 1)])


def test_where_parts_may_not_be_written_it_is_told_of_which_file_and_by_which_right(
    store: ObjectStore, move: Move
) -> None:
    deny(store, "CreateMultipartUpload")
    with pytest.raises(StoreError, match=r"/k\)?: access denied .* needs s3:PutObject"):
        move()


def test_what_broke_off_is_gone_on_with_by_the_same_process_which_still_holds_the_error(
    store: ObjectStore, move: Move
) -> None:
    def refuse(params: dict[str, Any], **_: Any) -> None:
        if params["PartNumber"] == 2:
            raise ClientError({"Error": {"Code": "SlowDown"}}, "UploadPart")

    operations, events = ("UploadPart", "UploadPartCopy"), store.client.meta.events
    for operation in operations:
        events.register(f"provide-client-params.s3.{operation}", refuse)
    with pytest.raises(StoreError, match="overloaded") as held:
        move()
    for operation in operations:
        events.unregister(f"provide-client-params.s3.{operation}", refuse)
    asked = Requests(store)
    move()
    assert held.tb and asked.count["CreateMultipartUpload"] == 0
    assert store.get_bytes("k") == store.get_bytes("small")
