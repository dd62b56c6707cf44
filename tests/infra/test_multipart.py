"""Uploads in parts, and the notes by which another process goes on with them or ends them."""

import base64
import fcntl
import os
import zlib
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.multipart import Multipart, abort_forgotten
from infra.object_store import ObjectStore
from tests.infra.transfers import opened, uploads_under_way
from tests.stores import address_of

FIRST = b"x" * (5 << 20)
"""The least that S3 takes for a part that is not the last."""
SIZE = len(FIRST) + 1


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


def begun(store: ObjectStore, notes: Path) -> Multipart:
    return Multipart(store.client, store.uri("k"), count=2, memory=notes)


def left(store: ObjectStore, notes: Path) -> str:
    """The id of an upload whose process ended before it did."""
    upload = begun(store, notes)
    upload.leave()
    return upload.upload_id


def finish(upload: Multipart) -> None:
    upload.put(1, FIRST)
    upload.put(2, b"x")


def note_of(notes: Path) -> Path:
    (note,) = notes.iterdir()
    return note


def test_what_another_process_is_at_is_neither_gone_on_with_nor_aborted_however_long_it_takes(
    store: ObjectStore, notes: Path
) -> None:
    first = begun(store, notes)
    os.utime(note_of(notes), (0, 0))
    second = begun(store, notes)
    assert second.upload_id != first.upload_id
    assert abort_forgotten(store.client, notes) == 0
    finish(second)
    assert uploads_under_way(store) == [store.prefix + "k"]
    first.leave()
    assert left(store, notes) == first.upload_id


def test_an_upload_is_gone_on_with_at_the_address_where_it_was_begun(store: ObjectStore, notes: Path) -> None:
    elsewhere = opened(address_of(store), endpoint_url=store.client.meta.endpoint_url.replace("127.0.0.1", "localhost"))
    ids = [left(where, notes) for where in (store, elsewhere)]
    assert [left(where, notes) for where in (store, elsewhere)] == ids
    assert len(set(ids)) == 2


def test_an_upload_that_took_longer_than_a_day_is_gone_on_with_since_its_last_part_is_younger(
    store: ObjectStore, notes: Path
) -> None:
    earlier = begun(store, notes)
    os.utime(note_of(notes), (0, 0))
    earlier.put(1, FIRST)
    earlier.leave()
    assert abort_forgotten(store.client, notes) == 0
    assert left(store, notes) == earlier.upload_id


def test_what_follows_an_upload_that_could_not_be_begun_in_the_same_process_can_be_gone_on_with(
    store: ObjectStore, notes: Path
) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "SlowDown"}}, "CreateMultipartUpload")

    store.client.meta.events.register("before-call.s3.CreateMultipartUpload", refuse)
    with pytest.raises(ClientError, match="SlowDown") as told:
        begun(store, notes)
    store.client.meta.events.unregister("before-call.s3.CreateMultipartUpload", refuse)
    again = left(store, notes)
    assert left(store, notes) == again
    assert told.tb, "who was told of the failure keeps it, and what it was in, for as long as it tries again"


def test_an_upload_that_was_begun_anew_is_gone_on_with_too(store: ObjectStore, notes: Path) -> None:
    store.client.abort_multipart_upload(
        Bucket=store.bucket, Key=store.prefix + "k", UploadId=(gone := left(store, notes))
    )
    anew = left(store, notes)
    assert anew != gone
    assert left(store, notes) == anew


@pytest.mark.parametrize("left_of_it", ["", '{"endpoint": "http', "\0" * 100], ids=["empty", "half", "zeros"])
def test_a_note_that_was_cut_off_is_none(left_of_it: str, store: ObjectStore, notes: Path) -> None:
    lost = left(store, notes)
    note_of(notes).write_text(left_of_it)
    os.utime(note_of(notes), (0, 0))
    assert abort_forgotten(store.client, notes) == 0
    anew = left(store, notes)
    assert anew != lost
    assert left(store, notes) == anew


def test_a_note_whose_owner_ends_as_another_process_opens_it_is_not_taken_for_a_later_one_s(
    store: ObjectStore, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    left(store, notes)

    def end_first(file: Any, how: int) -> None:
        note_of(notes).unlink()
        lock(file, how)

    with monkeypatch.context() as between:
        between.setattr(fcntl, "flock", end_first)
        late = begun(store, notes)
    later = left(store, notes)
    finish(late)
    assert left(store, notes) == later


def test_an_upload_whose_parts_the_store_does_not_show_now_is_not_begun_anew(store: ObjectStore, notes: Path) -> None:
    earlier = left(store, notes)

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "SlowDown"}}, "ListParts")

    store.client.meta.events.register("before-call.s3.ListParts", refuse)
    with pytest.raises(ClientError, match="SlowDown"):
        begun(store, notes)
    store.client.meta.events.unregister("before-call.s3.ListParts", refuse)
    assert left(store, notes) == earlier


def test_a_note_that_goes_while_all_are_looked_at_stops_nobody(store: ObjectStore, notes: Path) -> None:
    notes.mkdir()
    (notes / "gone.json").symlink_to("nothing")
    assert abort_forgotten(store.client, notes) == 0


def test_of_an_upload_that_ends_while_its_parts_are_listed_none_counts(store: ObjectStore, notes: Path) -> None:
    """S3 lists a thousand at once."""
    earlier = begun(store, notes)
    earlier.put(1, FIRST)
    earlier.client.upload_part(**earlier._names(), PartNumber=2, Body=b"x")
    earlier.leave()
    asked: list[Any] = []

    def one_by_one(params: dict[str, Any], **_: Any) -> None:
        if len(asked) == 3:
            earlier.abort()
        asked.append(params.update(MaxParts=1))

    store.client.meta.events.register("provide-client-params.s3.ListParts", one_by_one)
    again = begun(store, notes)
    assert (again.upload_id, set(again.there), len(asked)) == (earlier.upload_id, {1, 2}, 2)
    again.leave()
    anew = begun(store, notes)
    assert len(asked) == 4
    assert anew.upload_id != earlier.upload_id and anew.there == {}


def test_an_upload_whose_end_is_done_and_the_answer_lost_is_done(
    store: ObjectStore, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may know no upload any more when the request comes again."""
    upload, complete = begun(store, notes), store.client.complete_multipart_upload

    def again(**of: Any) -> None:
        complete(**of)
        raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "CompleteMultipartUpload")

    monkeypatch.setattr(store.client, "complete_multipart_upload", again)
    finish(upload)
    assert store.exists("k") and list(notes.iterdir()) == []


def test_an_upload_that_the_store_does_not_end_since_it_lost_a_part_is_gone_on_with(
    store: ObjectStore, notes: Path
) -> None:
    upload = begun(store, notes)
    upload.done(1, "0" * 32)
    with pytest.raises(ClientError, match="InvalidPart"):
        upload.put(2, b"x")
    upload.leave()
    again = begun(store, notes)
    assert (again.upload_id, set(again.there)) == (upload.upload_id, {2})
    finish(again)
    assert len(store.get_bytes("k")) == SIZE


def test_an_object_of_the_same_size_is_not_taken_for_what_somebody_s_ending_lost(
    store: ObjectStore, notes: Path
) -> None:
    upload = begun(store, notes)
    store.put_bytes("k", b"y" * SIZE)

    def end(**_: Any) -> None:
        store.client.abort_multipart_upload(**upload._names())

    store.client.meta.events.register("before-call.s3.CompleteMultipartUpload", end)
    with pytest.raises(ClientError, match="NoSuchUpload"):
        finish(upload)


def test_an_upload_whose_note_was_removed_while_it_was_under_way_is_done_all_the_same(
    store: ObjectStore, notes: Path
) -> None:
    upload = begun(store, notes)
    note_of(notes).unlink()
    finish(upload)
    assert len(store.get_bytes("k")) == SIZE


def test_parts_that_come_in_another_order_are_put_together_in_theirs(store: ObjectStore, notes: Path) -> None:
    upload = begun(store, notes)
    upload.put(2, b"x")
    upload.put(1, FIRST)
    assert store.get_bytes("k") == FIRST + b"x"


@pytest.mark.parametrize("code", ["NoSuchUpload", "NoSuchKey", "404"])
def test_an_upload_that_was_given_up_and_is_gone_is_forgotten(code: str, store: ObjectStore, notes: Path) -> None:
    def deny(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code}}, "AbortMultipartUpload")

    left(store, notes)
    os.utime(note_of(notes), (0, 0))
    store.client.meta.events.register("before-call.s3.AbortMultipartUpload", deny)
    assert abort_forgotten(store.client, notes) == 1
    assert list(notes.iterdir()) == []


def test_an_upload_that_was_ended_is_remembered_by_nobody(store: ObjectStore, notes: Path) -> None:
    upload = begun(store, notes)
    upload.abort()
    assert list(notes.iterdir()) == [] and uploads_under_way(store) == []


def told_of(store: ObjectStore) -> dict[str, Any]:
    """What is told of checksums as an upload begins, with its parts, and at its end; filled as it goes."""
    found: dict[str, Any] = {"begun": [], "parts": {}, "end": []}
    events = store.client.meta.events

    def begin(params: dict[str, Any], **_: Any) -> None:
        found["begun"].append(params.get("ChecksumAlgorithm"))

    def part(params: dict[str, Any], **_: Any) -> None:
        found["parts"][params["PartNumber"]] = params.get("ChecksumCRC32")

    def end(params: dict[str, Any], **_: Any) -> None:
        found["end"] = [one.get("ChecksumCRC32") for one in params["MultipartUpload"]["Parts"]]

    for operation, note in (("CreateMultipartUpload", begin), ("UploadPart", part), ("CompleteMultipartUpload", end)):
        events.register(f"provide-client-params.s3.{operation}", note)
    return found


def test_the_store_is_told_of_checksums_as_an_upload_begins_with_each_part_and_at_the_end_of_all(
    store: ObjectStore, notes: Path
) -> None:
    told = told_of(store)
    first = begun(store, notes)
    first.put(1, FIRST)
    first.leave()
    again = begun(store, notes)  # the first part is there, and its checksum is told all the same
    finish(again)
    sums = [crc32(FIRST), crc32(b"x")]
    assert again.upload_id == first.upload_id
    assert told == {"begun": ["CRC32"], "parts": dict(enumerate(sums, 1)), "end": sums}


def test_a_store_that_takes_no_checksums_and_one_that_copies_are_told_of_none(
    store: ObjectStore, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = told_of(store)
    Multipart(store.client, store.uri("copy"), count=1, memory=notes, copied=True).leave()
    monkeypatch.setattr(store.client.meta.config, "request_checksum_calculation", "when_required")
    finish(begun(store, notes))
    assert told == {"begun": [None, None], "parts": {1: None, 2: None}, "end": [None, None]}


def test_an_upload_that_began_without_checksums_is_not_gone_on_with_by_who_tells_of_them(
    store: ObjectStore, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(store.client.meta.config, "request_checksum_calculation", "when_required")
        earlier = left(store, notes)
    assert left(store, notes) != earlier


def test_an_upload_whose_parts_are_denied_is_begun_anew_as_one_that_is_gone(store: ObjectStore, notes: Path) -> None:
    """By Ceph's gateway, under a policy like those of infra/iam/."""
    earlier = left(store, notes)

    def deny(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListParts")

    store.client.meta.events.register("before-call.s3.ListParts", deny)
    assert left(store, notes) != earlier


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def test_a_note_of_an_upload_that_could_not_be_begun_goes_after_a_day(store: ObjectStore, notes: Path) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "SlowDown"}}, "CreateMultipartUpload")

    store.client.meta.events.register("before-call.s3.CreateMultipartUpload", refuse)
    with pytest.raises(ClientError, match="SlowDown"):
        begun(store, notes)
    assert abort_forgotten(store.client, notes) == 0
    os.utime(note_of(notes), (0, 0))
    assert abort_forgotten(store.client, notes) == 0
    assert list(notes.iterdir()) == []
