"""What goes wrong on the way is named, and leaves nothing that looks whole."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from errors import CorruptObject, StoreError
from infra import copying, s3
from infra.copying import Duplicate
from infra.files import Stored
from infra.object_store import ObjectStore
from infra.transfer import PART
from tests.infra.transfers import SIZE, Requests, opened, sha256, uploads_under_way
from tests.registry.proxy import Request, proxy


@pytest.mark.slow
def test_an_object_that_is_replaced_meanwhile_is_noticed(address: dict[str, Any], large: Path, tmp_path: Path) -> None:
    store, other, target = opened(address), opened(address), tmp_path / "back" / "k"
    store.put_file("k", large)
    large.write_bytes(os.urandom(SIZE))
    replaced: list[str] = []

    def replace(**_: Any) -> None:
        if not replaced:
            replaced.append(other.put_file("k", large).sha256)

    store.client.meta.events.register("before-call.s3.GetObject", replace)
    with pytest.raises(StoreError, match="was replaced while it was being fetched"):
        store.fetch_uri(store.uri("k"), target)
    assert not target.exists()
    store.fetch_uri(store.uri("k"), target)
    assert sha256(target) == replaced[0]


@pytest.mark.parametrize("size", [SIZE, SIZE - PART, SIZE + PART], ids=["rewritten", "cut off", "grown"])
def test_a_file_that_changes_while_it_is_sent_is_not_stored(size: int, any_store: ObjectStore, large: Path) -> None:
    def change(**_: Any) -> None:
        with large.open("r+b") as file:
            file.write(b"changed")
            file.truncate(size)

    any_store.client.meta.events.register("before-call.s3.CreateMultipartUpload", change)
    with pytest.raises(StoreError, match=r"large.bin was changed while it was being sent"):
        any_store.put_file("k", large)
    assert not any_store.exists("k")
    assert uploads_under_way(any_store) == []
    assert list((any_store.work / "uploads").iterdir()) == []


def test_a_change_is_told_also_where_the_upload_cannot_be_ended_which_costs_a_warning(
    store: ObjectStore, large: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "AbortMultipartUpload")

    store.client.meta.events.register("before-call.s3.AbortMultipartUpload", refuse)
    with pytest.raises(StoreError, match=r"large.bin was changed while it was being sent"):
        store.put_file("k", large, sha256="0" * 64)
    assert "/k: an upload that was given up could not be aborted: " in caplog.text
    assert len(list((store.work / "uploads").iterdir())) == 1, "who comes after a day aborts it"


def test_a_file_that_is_not_what_was_hashed_before_is_not_stored(any_store: ObjectStore, large: Path) -> None:
    with pytest.raises(StoreError, match="was changed"):
        any_store.put_file("k", large, sha256="0" * 64)
    assert not any_store.exists("k")


@pytest.mark.parametrize(
    ("etag", "before"), [("v1-opaque", b"another object"), ("0" * 32, b"another object"), ("", b"")]
)
def test_an_upload_that_somebody_ended_is_told_as_that_whatever_is_there_and_whatever_its_etags_are(
    store: ObjectStore, large: Path, etag: str, before: bytes
) -> None:
    def rename(parsed: dict[str, Any], **_: Any) -> None:
        parsed["ETag"] = f'"{etag}"' if etag else parsed["ETag"]

    def end(params: dict[str, Any], **_: Any) -> None:
        store.client.abort_multipart_upload(
            Bucket=store.bucket, Key=store.prefix + "k", UploadId=params["query_string"]["uploadId"]
        )

    if before:
        store.put_bytes("k", before)
    store.client.meta.events.register("after-call.s3.UploadPart", rename)
    store.client.meta.events.register("before-call.s3.CompleteMultipartUpload", end)
    with pytest.raises(StoreError, match="the upload in parts was ended by somebody else"):
        store.put_file("k", large)


def test_a_body_that_breaks_off_is_asked_for_again(address: dict[str, Any], large: Path, tmp_path: Path) -> None:
    stored = opened(address).put_file("k", large)

    def plan(request: Request) -> str:
        return "body cut" if request.method == "GET" and request.number % 3 == 0 else ""

    with proxy(address["endpoint_url"]) as (state, url):
        behind = opened(address, endpoint_url=url)
        state.plan = plan
        behind.download(stored, tmp_path / "back")
        assert state.faults
    assert sha256(tmp_path / "back") == stored.sha256


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "tries"), [("slow", 1), ("500", 3), ("cut before", 3)])
def test_what_the_store_does_not_copy_in_time_is_copied_in_parts(
    address: dict[str, Any], large: Path, monkeypatch: pytest.MonkeyPatch, fault: str, tries: int
) -> None:
    stored = opened(address).put_file("k", large)
    monkeypatch.setattr(s3, "READ_SECONDS", 1 if fault == "slow" else s3.READ_SECONDS)
    monkeypatch.setattr(s3, "TRIES", 2)  # more, that is
    monkeypatch.setattr(copying, "PART", PART)

    def plan(request: Request) -> str:
        return fault if request.method == "PUT" and "partNumber" not in request.path else ""

    with proxy(address["endpoint_url"]) as (state, url):
        behind = opened(address, endpoint_url=url)
        state.plan = plan
        behind.copy_files([Duplicate(behind.uri("k"), behind.uri("copy"), SIZE)])
        assert state.faults == tries
    assert sha256(opened(address).get_file(Stored(behind.uri("copy"), stored.sha256, SIZE))) == stored.sha256
    assert uploads_under_way(behind) == []


def test_an_answer_that_is_too_short_is_an_error_and_leaves_no_file(
    address: dict[str, Any], large: Path, tmp_path: Path
) -> None:
    stored = opened(address).put_file("k", large)
    with proxy(address["endpoint_url"]) as (state, url):
        behind = opened(address, endpoint_url=url)
        state.plan = lambda request: "body shortened" if request.method == "GET" else ""
        with pytest.raises(StoreError, match=r"were asked for.*cuts answers off"):
            behind.download(stored, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_changed_object_never_appears_as_a_file(any_store: ObjectStore, large: Path, tmp_path: Path) -> None:
    any_store.put_file("k", large)
    target = tmp_path / "back" / "k"
    with pytest.raises(CorruptObject, match="recorded was 000"):
        any_store.download(Stored(any_store.uri("k"), "0" * 64, SIZE), target)
    assert list(target.parent.iterdir()) == []


def test_a_full_disk_is_named_and_nothing_is_left_on_it(store: ObjectStore, large: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE // 2}", "tmpfs", str(small)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk is a mounted tmpfs, which needs root and the right to mount")
    try:
        stored, asked = store.put_file("k", large), Requests(store)
        with pytest.raises(
            StoreError, match=r"small/k needs .* bytes .* the disk is full. Nothing incomplete was left"
        ):
            store.download(stored, small / "k")
        assert list(small.iterdir()) == []
        assert not asked.count["GetObject"], "it was found out before anything was fetched"
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)
