"""Small files on their way: what holds for each however few bytes it has, and for many of them."""

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import FlexibleChecksumError

from errors import FullDisk, SpecError, StoreError
from infra import copying, fetching, hashing, sending
from infra.arrival import Arrival
from infra.copying import Duplicate
from infra.fetching import Incoming, fetch_files
from infra.object_store import ObjectStore
from infra.progress import Advance
from infra.transfer import PART, Span, Workers
from tests.infra.transfers import Requests, deny

# --- into the store ---


def test_a_file_that_may_not_be_written_is_told_as_that(store: ObjectStore, small: Path) -> None:
    deny(store, "PutObject")
    with pytest.raises(StoreError, match=r"/k: access denied .* needs s3:PutObject"):
        store.put_file("k", small)


@pytest.mark.parametrize(
    "change_it", [lambda path: path.write_bytes(b"another"), Path.unlink], ids=["written", "deleted"]
)
def test_a_small_file_that_changes_or_goes_while_it_is_read_is_not_stored(
    change_it: Callable[[Path], object], store: ObjectStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.pread

    def change(file: int, count: int, at: int) -> bytes:
        found = read(file, count, at)
        change_it(small)
        return found

    monkeypatch.setattr(os, "pread", change)
    with pytest.raises(StoreError, match="was changed while it was being sent"):
        store.put_file("k", small)
    assert not store.exists("k")


def test_a_file_of_which_less_comes_than_it_has_is_not_stored_though_nobody_wrote_to_it(
    store: ObjectStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its hash is known, its bytes are not hashed again."""
    read = os.pread
    monkeypatch.setattr(hashing, "SETTLED_NS", -1)
    store.hashes.of(small)
    monkeypatch.setattr(os, "pread", lambda *where: read(*where)[1:])
    with pytest.raises(StoreError, match="was changed while it was being sent"):
        store.put_file("k", small)
    assert not store.exists("k")


def test_an_upload_is_ended_once_no_part_of_it_is_on_its_way(
    store: ObjectStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may keep what comes after."""
    seen: list[str] = []

    def see(model: Any, **_: Any) -> None:
        seen.append(model.name)

    small.write_bytes(bytes((5 << 20) + 1))
    monkeypatch.setattr(sending, "PART", 5 << 20)
    store.client.meta.events.register("before-send.s3.UploadPart", lambda **_: time.sleep(0.2))
    store.client.meta.events.register("after-call.s3.UploadPart", see)
    store.client.meta.events.register("before-call.s3.AbortMultipartUpload", see)
    with pytest.raises(StoreError, match="was changed while it was being sent"):
        store.put_file("k", small, sha256="0" * 64)
    assert seen == ["UploadPart", "AbortMultipartUpload"]


def test_the_last_part_waits_until_the_file_was_seen_to_be_what_its_parts_are_of(
    store: ObjectStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Workers.submit

    def at_once(workers: Workers, *work: Any) -> None:
        submit(workers, *work).result()
        os.utime(small)

    small.write_bytes(bytes(PART + 1))
    monkeypatch.setattr(Workers, "submit", at_once)
    with pytest.raises(StoreError, match="was changed while it was being sent"):
        store.put_file("k", small)
    assert not store.exists("k")


def test_what_was_sent_is_hashed_once_more_unless_its_time_would_show_a_change(
    store: ObjectStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = store.put_file("k", small).sha256
    assert store.hashes.recall(small) is None, "it was written a moment ago"
    monkeypatch.setattr(hashing, "SETTLED_NS", -1)
    store.put_file("k", small)
    assert store.hashes.recall(small) == sha256


def test_a_file_that_changes_once_it_was_read_is_not_known_by_what_was_sent_and_has_the_size_of_that(
    store: ObjectStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Workers.submit

    def change(workers: Workers, *work: Any) -> object:
        small.write_bytes(b"another")
        return submit(workers, *work)

    monkeypatch.setattr(hashing, "SETTLED_NS", -1)
    monkeypatch.setattr(Workers, "submit", change)
    stored = store.put_file("k", small)
    assert store.get_bytes("k") == b"small" and stored.bytes == 5
    assert store.hashes.recall(small) is None


def test_a_blob_is_sent_once_and_not_under_a_name_that_its_file_has_no_more(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, look = tmp_path / "rows.csv.gz", store.list_keys
    file.write_bytes(b"rows")
    stored, sent = store.put_blob("rows", file), Requests(store)
    assert stored.uri.endswith(".csv.gz")
    assert store.put_blob("rows", file) == stored and not sent.bytes
    file.write_bytes(b"other")

    def change(prefix: str) -> list[str]:
        file.write_bytes(b"another")
        return look(prefix)

    monkeypatch.setattr(store, "list_keys", change)
    with pytest.raises(StoreError, match="was changed"):
        store.put_blob("rows", file)
    assert len(look("blobs/")) == 1


# --- out of the store ---


@pytest.mark.parametrize("ignored", ["nothing", "IfMatch"])
def test_an_object_that_is_replaced_before_it_is_read_is_noticed_also_where_a_store_ignores_conditions(
    ignored: str, store: ObjectStore, small: Path, tmp_path: Path
) -> None:
    store.put_file("k", small)

    def replace(params: dict[str, Any], **_: Any) -> None:
        store.put_bytes("k", b"other")
        params.pop(ignored, None)

    store.client.meta.events.register("provide-client-params.s3.GetObject", replace)
    with pytest.raises(StoreError, match="k was replaced while it was being fetched"):
        store.fetch_uri(store.uri("k"), tmp_path / "back" / "k")
    assert list((tmp_path / "back").glob("k")) == []


def test_a_store_that_answers_with_all_where_a_part_was_asked_for_is_told_as_that(
    store: ObjectStore, tmp_path: Path
) -> None:
    def forget(params: dict[str, Any], **_: Any) -> None:
        del params["Range"]

    (tmp_path / "parts").write_bytes(bytes(PART + 1))
    stored = store.put_file("k", tmp_path / "parts")
    store.client.meta.events.register("provide-client-params.s3.GetObject", forget)
    with pytest.raises(StoreError, match=r"announced 16,777,217 and sent 0: .* does not keep ranges"):
        store.download(stored, tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("operation", ["HeadObject", "GetObject"])
def test_an_answer_that_does_not_say_how_long_it_is_is_told_as_that(
    operation: str, store: ObjectStore, small: Path, tmp_path: Path
) -> None:
    """As that of a proxy which packs bodies."""
    stored = store.put_file("k", small)
    store.client.meta.events.register(f"after-call.s3.{operation}", lambda parsed, **_: parsed.pop("ContentLength"))
    with pytest.raises(StoreError, match=rf"{stored.uri}: .* does not say how long .*no Content-Length.* proxy"):
        store.download(stored, tmp_path / "back" / "k")
    assert not (tmp_path / "back" / "k").exists()


def test_what_is_to_become_a_file_where_a_folder_is_is_refused_before_anything_is_fetched(
    store: ObjectStore, small: Path, tmp_path: Path
) -> None:
    stored, asked = store.put_file("k", small), Requests(store)
    (tmp_path / "back" / "k").mkdir(parents=True)
    for fetch in (lambda to: store.fetch_uri(stored.uri, to), lambda to: store.download(stored, to)):
        with pytest.raises(SpecError, match=r"back/k is a folder, .* another name"):
            fetch(tmp_path / "back" / "k")
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["k"]
    assert not asked.count


@pytest.mark.parametrize("named", [True, False])
def test_only_a_store_that_names_its_versions_is_asked_for_the_one_that_was_looked_at(
    named: bool, store: ObjectStore, small: Path, tmp_path: Path
) -> None:
    stored, asked = store.put_file("k", small), list[str | None]()
    etag = store.client.head_object(Bucket=store.bucket, Key=store.prefix + "k")["ETag"]
    events = store.client.meta.events
    if not named:
        for operation in ("HeadObject", "GetObject"):
            events.register(f"after-call.s3.{operation}", lambda parsed, **_: parsed.pop("ETag"))
    events.register("provide-client-params.s3.GetObject", lambda params, **_: asked.append(params.get("IfMatch")))
    store.download(stored, tmp_path / "back")
    assert asked == [etag if named else None]


def test_of_more_files_than_are_open_at_once_each_comes_once(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "OPEN", 2)
    names = [str(number) for number in range(5)]
    for name in names:
        store.put_bytes(name, name.encode())
    asked = Requests(store)
    fetch_files(store.client, [Incoming(store.uri(name), tmp_path / "back" / name) for name in names])
    assert asked.count["GetObject"] == len(names)
    assert sorted((path.name, path.read_bytes()) for path in (tmp_path / "back").iterdir()) == [
        (name, name.encode()) for name in names
    ]


def test_where_there_is_no_room_for_one_of_several_none_of_them_is_left_half(
    store: ObjectStore, small: Path, tmp_path: Path
) -> None:
    (tmp_path / "larger").write_bytes(bytes(2000))
    stored = [store.put_file(path.name, path) for path in (small, tmp_path / "larger")]
    coming = [Incoming(found.uri, tmp_path / "back" / str(found.bytes), found.sha256) for found in stored]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(FullDisk, match="2000 needs 2,000 bytes"):
            fetch_files(store.client, coming)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "back").iterdir()) == []


def test_an_object_that_has_not_even_the_checksum_that_its_store_keeps_is_not_whole(
    store: ObjectStore, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def differ(**_: Any) -> None:
        raise FlexibleChecksumError(error_msg="differs")

    stored = store.put_file("k", small)
    assert store.is_whole(stored)
    monkeypatch.setattr(store.client, "get_object", differ)
    assert not store.is_whole(stored)


# --- how far it is ---


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the bar is told."""
    counted: list[int] = []

    @contextmanager
    def shown(_: str, total: int) -> Iterator[Advance]:
        yield counted.append

    for module in (sending, copying, fetching):
        monkeypatch.setattr(module, "shown", shown)
    return counted


def test_each_byte_is_counted_once_however_it_moves(
    store: ObjectStore, small: Path, tmp_path: Path, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "parts").write_bytes(bytes(PART + 1))
    monkeypatch.setattr(copying, "PART", PART)
    monkeypatch.setattr(copying, "WHOLE", PART)
    for path in (small, tmp_path / "parts"):
        size = path.stat().st_size
        stored = store.put_file(path.name, path)
        assert sum(counted) == size
        store.copy_files([Duplicate(stored.uri, store.uri(f"copy/{path.name}"), size)])
        assert sum(counted) == 2 * size
        store.download(stored, tmp_path / "back" / path.name)
        assert sum(counted) == 3 * size
        counted.clear()


def test_what_is_fetched_anew_since_what_was_there_was_no_good_is_counted_once(
    store: ObjectStore, small: Path, tmp_path: Path, counted: list[int]
) -> None:
    stored, target = store.put_file("k", small), tmp_path / "back"
    head = store.client.head_object(Bucket=store.bucket, Key=store.prefix + "k")
    earlier = Arrival(target, uri=stored.uri, etag=head["ETag"], size=5)
    earlier.finish(Span(1, 0, 5))
    earlier.close()
    counted.clear()
    store.download(stored, target)
    assert target.read_bytes() == b"small"
    assert counted == [5]
