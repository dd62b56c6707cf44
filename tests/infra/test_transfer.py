"""Files on their way: whole, and gone on with after a kill. On moto and on the demo's own server."""

import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from errors import MissingObject
from infra import copying
from infra.copying import Duplicate
from infra.local_server import Endpoint
from infra.local_store import BUCKET
from infra.multipart import FORGOTTEN_SECONDS, Multipart, abort_forgotten
from infra.object_store import ObjectStore
from infra.s3 import open_client
from infra.sending import Outgoing
from infra.transfer import MOST_PARTS, PART, THREADS, spans
from models.contracts import FileEntry
from tests.infra.dying import die, growth
from tests.infra.transfers import PARTS, SIZE, Requests, left_beside, opened, sha256, uploads_under_way
from tests.stores import address_of

# --- whole ---


def test_files_of_every_size_come_back_as_they_were(any_store: ObjectStore, tmp_path: Path) -> None:
    sizes = (0, 1, PART - 1, PART, PART + 1)
    for size in sizes:
        (tmp_path / f"{size}").write_bytes(os.urandom(size))
    paths = [tmp_path / f"{size}" for size in sizes]
    stored = any_store.put_files([Outgoing(any_store.uri(path.name), path) for path in paths])
    assert [found.sha256 for found in stored] == [sha256(path) for path in paths]
    for found, path in zip(stored, paths, strict=True):
        any_store.download(found, tmp_path / "back" / path.name)
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == sorted(path.name for path in paths)


def test_a_file_is_fetched_where_no_room_can_be_taken_for_it(
    store: ObjectStore, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS."""
    stored = store.put_file("large", large)
    monkeypatch.delattr(os, "posix_fallocate")
    store.download(stored, tmp_path / "back")
    assert sha256(tmp_path / "back") == stored.sha256


@pytest.mark.parametrize(
    "problem",
    [
        ClientError({"Error": {"Code": "AccessDenied", "Message": "AKIAIOSFODNN7EXAMPLE may not"}}, "AbortMultipartUpload"),
        EndpointConnectionError(endpoint_url="https://someone:AKIAIOSFODNN7EXAMPLE@store"),
    ],
)  # fmt: skip
def test_an_upload_that_was_given_up_and_cannot_be_ended_costs_a_warning_without_credentials(
    store: ObjectStore,
    problem: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    note = tmp_path / "uploads" / "old.json"
    note.parent.mkdir()
    endpoint = store.client.meta.endpoint_url
    note.write_text(json.dumps({"endpoint": endpoint, "bucket": store.bucket, "key": "k", "upload": "u"}))
    os.utime(note, (0, 0))

    def refuse(**_: str) -> None:
        raise problem

    monkeypatch.setattr(store.client, "abort_multipart_upload", refuse)
    assert abort_forgotten(store.client, note.parent) == 0
    assert f"s3://{store.bucket}/k: an upload that was given up could not be aborted" in caplog.text
    assert "AKIAIOSFODNN7EXAMPLE" not in caplog.text and note.exists()


def test_an_upload_to_another_store_is_left_to_who_reaches_that(store: ObjectStore, tmp_path: Path) -> None:
    note = tmp_path / "uploads" / "old.json"
    note.parent.mkdir()
    note.write_text(json.dumps({"endpoint": "https://elsewhere", "bucket": store.bucket, "key": "k", "upload": "u"}))
    os.utime(note, (0, 0))
    assert abort_forgotten(store.client, note.parent) == 0
    assert note.exists()


def test_an_upload_that_is_gone_on_with_is_young_again(store: ObjectStore, tmp_path: Path) -> None:
    def begun() -> tuple[str, Path]:
        upload = Multipart(store.client, store.uri("k"), count=2, memory=tmp_path / "uploads")
        upload.leave()
        (note,) = (tmp_path / "uploads").iterdir()
        return upload.upload_id, note

    first, note = begun()
    nearly = time.time() - FORGOTTEN_SECONDS + 60
    os.utime(note, (nearly, nearly))
    assert begun() == (first, note)
    assert note.stat().st_mtime > nearly + 60
    assert abort_forgotten(store.client, note.parent) == 0


def test_spans_cover_a_file_and_are_never_too_many() -> None:
    for size in (0, 1, PART, PART + 1, 5 * PART, PART * MOST_PARTS * 3 + 7):
        cut = spans(size)
        assert [span.start for span in cut] == [sum(s.length for s in cut[:i]) for i in range(min(len(cut), 50))] + [
            span.start for span in cut[50:]
        ]
        assert sum(span.length for span in cut) == size
        assert len(cut) <= MOST_PARTS


def test_two_that_fetch_the_same_file_at_once_both_get_it(any_store: ObjectStore, large: Path, tmp_path: Path) -> None:
    stored, target = any_store.put_file("k", large), tmp_path / "back" / "k"
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: any_store.download(stored, target), range(2)))
    assert sha256(target) == stored.sha256
    assert left_beside(target) == []


# --- gone on with ---


def test_a_killed_upload_goes_on_where_it_was(address: dict[str, Any], large: Path) -> None:
    die("upload", address, "k", large, parts=2)
    store = opened(address)
    assert not store.exists("k")
    assert uploads_under_way(store) == [store.prefix + "k"]
    sent = Requests(store)
    stored = store.put_file("k", large)
    assert sent.count["UploadPart"] <= PARTS - 2
    assert sent.count["CreateMultipartUpload"] == 0
    assert stored.sha256 == sha256(large) == hashlib.sha256(store.get_bytes("k")).hexdigest()
    assert uploads_under_way(store) == []
    assert list((store.work / "uploads").iterdir()) == []


def test_parts_of_another_content_are_not_taken_for_the_file_s(address: dict[str, Any], large: Path) -> None:
    die("upload", address, "k", large, parts=2)
    large.write_bytes(os.urandom(SIZE - PART))
    store = opened(address)
    store.put_file("k", large)
    assert hashlib.sha256(store.get_bytes("k")).hexdigest() == sha256(large)


def test_an_upload_that_nobody_goes_on_with_is_aborted_after_a_day(
    address: dict[str, Any], large: Path, tmp_path: Path
) -> None:
    die("upload", address, "k", large, parts=1)
    store = opened(address)
    (note,) = (store.work / "uploads").iterdir()
    (tmp_path / "other").write_bytes(b"x")
    store.put_file("other", tmp_path / "other")
    assert uploads_under_way(store) == [store.prefix + "k"]
    os.utime(note, (0, 0))
    store.put_file("other", tmp_path / "other")
    assert uploads_under_way(store) == []
    assert not note.exists()


def test_a_killed_download_goes_on_where_it_was(address: dict[str, Any], large: Path, tmp_path: Path) -> None:
    store, target = opened(address), tmp_path / "back" / "k"
    stored = store.put_file("k", large)
    die("download", address, "k", target, parts=2, sha256=stored.sha256)
    assert not target.exists()
    asked = Requests(store)
    store.download(stored, target)
    assert asked.count["GetObject"] <= PARTS - 2
    assert sha256(target) == stored.sha256
    assert left_beside(target) == []


def test_what_a_killed_download_left_is_not_trusted(store: ObjectStore, large: Path, tmp_path: Path) -> None:
    address = {**address_of(store), "cache": str(store.cache)}
    stored, target = store.put_file("k", large), tmp_path / "back" / "k"
    die("download", address, "k", target, parts=3, sha256=stored.sha256)
    part = target.with_name(".k.part")
    part.write_bytes(bytes(SIZE))
    store.download(stored, target)
    assert sha256(target) == stored.sha256


def test_a_folder_that_was_half_fetched_is_gone_on_with(store: ObjectStore, tmp_path: Path, large: Path) -> None:
    (tmp_path / "b").write_bytes(b"b")
    store.put_file("f/b", tmp_path / "b")
    files = [FileEntry(path="b", sha256=sha256(tmp_path / "b"), bytes=1),
             FileEntry(path="large.bin", sha256=sha256(large), bytes=SIZE)]  # fmt: skip
    with pytest.raises(MissingObject):
        store.get_folder("f/", files)
    store.put_file("f/large.bin", large)
    folder = store.get_folder("f/", files)
    assert sorted(path.name for path in folder.iterdir()) == ["b", "large.bin"]


# --- inside the store ---


@pytest.mark.parametrize(
    ("whole", "asked"), [(SIZE, {"CopyObject": 2}), (SIZE - 1, {"CopyObject": 1, "UploadPartCopy": PARTS})]
)
def test_a_copy_inside_the_store_sends_no_bytes(
    any_store: ObjectStore,
    large: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: int,
    asked: dict[str, int],
) -> None:
    monkeypatch.setattr(copying, "PART", PART)
    monkeypatch.setattr(copying, "WHOLE", whole)
    (tmp_path / "small").write_bytes(b"small")
    any_store.put_file("large", large)
    any_store.put_file("small", tmp_path / "small")
    sent = Requests(any_store)
    any_store.copy_files(
        [Duplicate(any_store.uri(k), any_store.uri(f"copy/{k}"), size) for k, size in (("large", SIZE), ("small", 5))]
    )
    assert sent.bytes == 0
    assert {name: sent.count[name] for name in ("CopyObject", "UploadPartCopy") if sent.count[name]} == asked
    assert hashlib.sha256(any_store.get_bytes("copy/large")).hexdigest() == sha256(large)
    assert any_store.get_bytes("copy/small") == b"small"


def test_amazon_copies_a_large_file_in_parts_side_by_side(
    any_store: ObjectStore, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    amazon = open_client(endpoint_url=None, region="eu-central-1", access_key="a", secret_key="s")
    assert str(urlsplit(amazon.meta.endpoint_url).hostname).endswith(copying.AWS)
    monkeypatch.setattr(copying, "PART", PART)
    monkeypatch.setattr(copying, "AWS", urlsplit(any_store.client.meta.endpoint_url).hostname)
    any_store.put_file("large", large)
    sent = Requests(any_store)
    any_store.copy_files([Duplicate(any_store.uri("large"), any_store.uri("copy"), SIZE)])
    assert (sent.count["CopyObject"], sent.count["UploadPartCopy"]) == (0, PARTS)
    assert hashlib.sha256(any_store.get_bytes("copy")).hexdigest() == sha256(large)


def test_a_copy_of_nothing_is_an_error(any_store: ObjectStore) -> None:
    with pytest.raises(MissingObject):
        any_store.copy_files([Duplicate(any_store.uri("nothing"), any_store.uri("copy"), 1)])


# --- memory ---


@pytest.mark.slow
@pytest.mark.parametrize("job", ["upload", "download"])
def test_a_large_file_takes_the_memory_of_a_few_parts(seaweed: Endpoint, tmp_path: Path, job: str) -> None:
    address = {"bucket": BUCKET, "prefix": "large/", "cache": str(tmp_path / "cache"), "region": "us-east-1",
               "endpoint_url": seaweed.url, "access_key": seaweed.access_key, "secret_key": seaweed.secret_key}  # fmt: skip
    large, store = tmp_path / "large.bin", opened(address)
    with large.open("wb") as file:
        file.truncate(30 * PART)
    stored = store.put_file("k", large) if job == "download" else None
    grown = growth(job, address, "k", tmp_path / "back" if stored else large, sha256=stored.sha256 if stored else "")
    assert grown < ((THREADS + 2) * PART if job == "upload" else 2 * PART)
