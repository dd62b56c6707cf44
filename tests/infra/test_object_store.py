import hashlib
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from errors import CorruptObject, KeyTaken, MissingObject, StoreError
from infra import hashing, object_store, s3
from infra.files import Stored, sha256_of
from infra.keys import RECORD, Keys
from infra.object_store import ObjectStore, connect
from infra.overlay import overlay
from infra.refusals import explained
from infra.tidying import make_room
from infra.workspace import model_of
from models.contracts import FileEntry
from tests.infra.transfers import Requests


def test_a_conditional_write_is_refused_where_somebody_wrote_before(store: ObjectStore) -> None:
    store.put_bytes("k", b"first", if_absent=True)
    with pytest.raises(KeyTaken):
        store.put_bytes("k", b"second", if_absent=True)
    assert store.get_bytes("k") == b"first"


def test_many_small_objects_come_in_the_order_of_their_keys_and_are_waited_for_together(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"k/{number:02}" for number in range(16)]
    for key in keys:
        store.put_bytes(key, key.encode())
    read, under_way = store.get_bytes, threading.Barrier(4, timeout=30)

    def together(key: str) -> bytes:
        under_way.wait()
        return read(key)

    monkeypatch.setattr(store, "get_bytes", together)
    assert store.get_each(keys) == [key.encode() for key in keys]


def test_a_blob_is_named_by_its_content_and_comes_back_verified(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"abc")
    stored = store.put_blob("rows", tmp_path / "rows.parquet")
    assert (stored.sha256, stored.bytes) == (hashlib.sha256(b"abc").hexdigest(), 3)
    assert store.get_file(stored).read_bytes() == b"abc"


def test_a_pipe_in_the_place_of_a_copy_is_not_waited_for_and_the_file_fetched_anew(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def read(path: Path) -> str:
        assert path.is_file(), "whoever opens a pipe waits for who writes into it"
        return sha256_of(path)

    monkeypatch.setattr(hashing, "sha256_of", read)
    (tmp_path / "rows").write_bytes(b"abc")
    stored = store.put_file("f/rows", tmp_path / "rows")
    files = [FileEntry(path="rows", sha256=stored.sha256, bytes=3)]
    for copy in (store.get_file(stored), store.get_folder("f/", files) / "rows"):
        copy.unlink()
        os.mkfifo(copy)
    assert store.get_file(stored).read_bytes() == b"abc"
    assert (store.get_folder("f/", files) / "rows").read_bytes() == b"abc"
    assert caplog.text.count("was changed on this machine since it was fetched") == 2


def test_a_changed_blob_is_refused_and_leaves_nothing_behind(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"abc")
    stored = store.put_blob("rows", tmp_path / "rows.parquet")
    store.put_bytes(store.key_of(stored.uri), b"abd")
    before = [p for p in store.cache.rglob("*") if p.is_file()]
    with pytest.raises(CorruptObject, match="recorded was"):
        store.get_file(stored)
    assert [p for p in store.cache.rglob("*") if p.is_file()] == before


def test_errors_name_the_address_and_never_the_secret(moto_url: str, tmp_path: Path, store: ObjectStore) -> None:
    with pytest.raises(MissingObject, match="s3://"):
        store.get_bytes("nothing")
    lost = connect(bucket="no-such-bucket", prefix="", cache=tmp_path / "c", endpoint_url=moto_url, region="us-east-1",
                   access_key="me", secret_key="PLANTED-SECRET")  # fmt: skip
    with pytest.raises(StoreError, match="the bucket does not exist") as caught:
        lost.put_bytes("k", b"")
    assert "PLANTED-SECRET" not in str(caught.value)


def test_a_refusal_that_upkeep_does_not_know_is_told_in_the_store_s_own_words_with_where_to_look() -> None:
    answer = {
        "Error": {"Code": "KMS.NotFoundException", "Message": "Invalid keyId 'mine' (sent by AKIAIOSFODNN7EXAMPLE)"},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    told = str(explained(ClientError(answer, "PutObject"), "s3://b/k"))  # type: ignore[arg-type]
    assert told.startswith(
        "s3://b/k: the store refused (400 KMS.NotFoundException): Invalid keyId 'mine' (sent by ***). Look at"
    )
    assert "storage.encryption and its key" in told


@pytest.mark.parametrize(("days", "written"), [(6, 0), (8, 1)])
def test_work_that_is_used_is_written_again_after_a_week_and_not_before(
    days: int, written: int, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`upkeep gc` keeps what is young."""
    store.put_bytes("stages/k", b"{}")
    asked, later = Requests(store), datetime.now(UTC) + timedelta(days=days)
    monkeypatch.setattr(object_store, "datetime", SimpleNamespace(now=lambda zone: later))
    assert store.get_used("stages/k") == b"{}"
    assert asked.count["PutObject"] == written


def test_a_listing_counts_those_that_are_so_named_by_their_last_part_alone(store: ObjectStore) -> None:
    for key in ("a/.notes.json", "a/1.json", "a/2.json", "a/3.json.old", "a/b/4.json"):
        store.put_bytes(key, b"{}")
    assert store.list_keys("a/", named=RECORD) == ["a/1.json", "a/2.json", "a/b/4.json"]
    assert store.list_keys("a/", limit=1, named=RECORD) == ["a/1.json"]


def test_an_address_of_another_model_is_no_key_of_this_one(store: ObjectStore) -> None:
    assert store.key_of(store.uri("a/1")) == "a/1"
    with pytest.raises(StoreError, match="belongs to another model or bucket"):
        store.key_of(f"s3://{store.bucket}/models/another/a/1")


def test_an_overlay_reads_through_and_keeps_its_writes_to_itself(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes("a/1", b"one")
    with overlay(store) as dry:
        dry.put_bytes("a/2", b"two")
        assert dry.list_keys("a/") == ["a/1", "a/2"]
        assert (dry.get_bytes("a/1"), dry.get_bytes("a/2")) == (b"one", b"two")
        (tmp_path / "x.txt").write_text("x")
        assert dry.get_file(dry.put_blob("b", tmp_path / "x.txt")).read_text() == "x"
    assert store.list_keys("") == ["a/1"]


@pytest.mark.parametrize("prefix", ["", "team/", "team", "models/", "prod/models/", "old/models/x/jobs/"])
@pytest.mark.parametrize("name", ["sentiment", "models"])
def test_a_job_s_address_names_its_model_whatever_prefix_the_store_has(prefix: str, name: str) -> None:
    key = f"{prefix}models/{name}/{Keys().job('d' * 64)}"
    assert model_of(f"s3://bucket/{key}") == name
    with pytest.raises(StoreError, match="is no object of a model's store"):
        model_of(f"s3://bucket/{prefix}sentiment/jobs/job.json")


def test_a_copy_in_the_cache_is_found_by_what_it_holds_and_not_by_what_a_record_calls_it(store: ObjectStore) -> None:
    for prefix, data in (("good/", b"good"), ("evil/", b"evil")):
        store.put_bytes(f"{prefix}config.json", data)
        file = FileEntry(path="config.json", sha256=hashlib.sha256(data).hexdigest(), bytes=4)
        assert (store.get_folder(prefix, [file]) / "config.json").read_bytes() == data


def test_a_folder_of_no_files_is_there_all_the_same(store: ObjectStore) -> None:
    assert list(store.get_folder("v/", []).iterdir()) == []


def put_config(store: ObjectStore) -> FileEntry:
    store.put_bytes("v/config.json", b"good")
    return FileEntry(path="config.json", sha256=hashlib.sha256(b"good").hexdigest(), bytes=4)


@pytest.mark.parametrize("changed", ["another byte", "a file more", "a file less", "a link to a folder"])
def test_a_copy_in_the_cache_that_was_changed_is_told_and_fetched_anew(
    store: ObjectStore, caplog: pytest.LogCaptureFixture, changed: str
) -> None:
    file = put_config(store)
    stored = Stored(store.uri("v/config.json"), file.sha256, 4)
    folder, copy = store.get_folder("v/", [file]), store.get_file(stored)
    assert (store.get_folder("v/", [file]), store.get_file(stored), caplog.messages) == (folder, copy, [])
    if changed == "another byte":
        (folder / "config.json").write_bytes(b"evil")
        copy.write_bytes(b"evil")
        assert store.get_file(stored).read_bytes() == b"good"
    elif changed == "a file more":
        (folder / "adapter_config.json").write_bytes(b"{}")
    elif changed == "a link to a folder":
        (folder / "additional_chat_templates").symlink_to(folder.parent)
    else:
        (folder / "config.json").unlink()
    assert [path.read_bytes() for path in store.get_folder("v/", [file]).iterdir()] == [b"good"]
    assert any(f"{folder} was changed on this machine" in said for said in caplog.messages)


def test_a_changed_copy_that_another_process_replaces_while_it_is_looked_at_is_taken_from_there(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_bytes("v/sub/config.json", b"good")
    file = FileEntry(path="sub/config.json", sha256=hashlib.sha256(b"good").hexdigest(), bytes=4)
    folder = store.get_folder("v/", [file])

    def taken_away(known: hashing.Hashes, paths: list[Path]) -> list[str]:
        monkeypatch.undo()
        make_room(folder)
        return known.of_all(paths)

    monkeypatch.setattr(hashing.Hashes, "of_all", taken_away)
    assert (store.get_folder("v/", [file]) / file.path).read_bytes() == b"good"


def test_a_changed_copy_that_cannot_be_replaced_is_named(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = store.get_folder("v/", [put_config(store)])
    (folder / "config.json").write_bytes(b"evil")

    def refuse(*_: object) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(
        StoreError, match=f"{folder.name} is not what was fetched any more, and cannot be replaced: Operation not"
    ):
        store.get_folder("v/", [put_config(store)])


def test_a_changed_copy_whose_files_another_process_has_open_on_a_network_disk_is_replaced(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store.get_folder("v/", [put_config(store)])
    (folder / "config.json").write_bytes(b"evil")

    def keep(*_: object) -> None:
        raise OSError("Directory not empty: .nfs0000")

    monkeypatch.setattr("shutil.rmtree", keep)
    assert (store.get_folder("v/", [put_config(store)]) / "config.json").read_bytes() == b"good"


def test_a_copy_is_hashed_once_by_a_process_however_often_it_is_used(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_bytes("rows", b"good")
    stored = Stored(store.uri("rows"), hashlib.sha256(b"good").hexdigest(), 4)
    copy = store.get_file(stored)
    os.utime(copy, (1, 1))
    monkeypatch.setattr(hashing, "SETTLED_NS", -(10**9))  # not to wait for it
    hashed: list[Path] = []
    monkeypatch.setattr(hashing, "sha256_of", lambda path: hashed.append(path) or sha256_of(path))
    for _ in range(3):
        store.get_file(stored)
    assert hashed == [copy]
    assert copy.stat().st_mtime > 1


def test_folders_of_the_same_content_under_other_names_share_no_copy(store: ObjectStore) -> None:
    for name in ("a.json", "b.json"):
        store.put_bytes(f"{name}/{name}", b"{}")
        file = FileEntry(path=name, sha256=hashlib.sha256(b"{}").hexdigest(), bytes=2)
        assert [path.name for path in store.get_folder(f"{name}/", [file]).iterdir()] == [name]


@pytest.mark.parametrize(("breaks", "asked"), [("request", 1), ("body", 5)])
def test_a_body_that_breaks_is_asked_for_again_and_a_request_that_hangs_is_not(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, breaks: str, asked: int
) -> None:
    from botocore.exceptions import ReadTimeoutError

    requests: list[str] = []

    class Broken:
        def read(self) -> bytes:
            raise ReadTimeoutError(endpoint_url="there")

    def get_object(**names: str) -> dict[str, Broken]:
        requests.append(names["Key"])
        if breaks == "request":
            raise ReadTimeoutError(endpoint_url="there")
        return {"Body": Broken()}

    monkeypatch.setattr(s3, "READ_PAUSES", (0, 0, 0, 0))
    monkeypatch.setattr(store.client, "get_object", get_object)
    with pytest.raises(StoreError, match="is the store running"):
        store.get_bytes("some/key")
    assert len(requests) == asked
