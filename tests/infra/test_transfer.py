"""Files on their way: fast, whole, and gone on with after a kill. On moto and on the demo's own server."""

import hashlib
import os
import secrets
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from errors import CorruptObject, MissingObject, StoreError
from infra import copying, hashing
from infra.copying import Duplicate
from infra.files import Stored
from infra.hashing import Hashes
from infra.local_store import BUCKET, Endpoint, local_store
from infra.object_store import ObjectStore, connect
from infra.sending import Outgoing
from infra.transfer import MOST_PARTS, PART, spans
from tests.infra.dying import die
from tests.registry.proxy import Request, proxy

PARTS, SIZE = 4, 3 * PART + 1000


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with local_store(tmp_path_factory.mktemp("seaweed")) as found:
        yield found


@pytest.fixture(params=["moto", "seaweed"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Arguments for `connect`."""
    where = {"prefix": f"models/{secrets.token_hex(6)}/", "cache": str(tmp_path / "cache"), "region": "us-east-1"}
    if request.param == "seaweed":
        server: Endpoint = request.getfixturevalue("seaweed")
        return {**where, "bucket": BUCKET, "endpoint_url": server.url, "access_key": server.access_key,
                "secret_key": server.secret_key}  # fmt: skip
    store: ObjectStore = request.getfixturevalue("store")
    return {**where, "bucket": store.bucket, "endpoint_url": store.client.meta.endpoint_url, "access_key": "test",
            "secret_key": "test"}  # fmt: skip


@pytest.fixture
def any_store(address: dict[str, Any]) -> ObjectStore:
    return opened(address)


def opened(address: dict[str, Any], **changes: Any) -> ObjectStore:
    return connect(**{**address, "cache": Path(address["cache"]), **changes})


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "large.bin").write_bytes(os.urandom(SIZE))
    return tmp_path / "large.bin"


class Requests:
    """What a store's client sends from now on."""

    def __init__(self, store: ObjectStore) -> None:
        self.count: Counter[str] = Counter()
        self.bytes = 0
        store.client.meta.events.register("before-call.s3", self._see)

    def _see(self, model: Any, params: dict[str, Any], **_: Any) -> None:
        self.count[model.name] += 1
        if model.name in {"PutObject", "UploadPart"}:
            body = params["body"]
            self.bytes += body.seek(0, os.SEEK_END) - body.seek(0)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def uploads_under_way(store: ObjectStore) -> list[str]:
    found = store.client.list_multipart_uploads(Bucket=store.bucket, Prefix=store.prefix).get("Uploads", [])
    return [upload["Key"] for upload in found]


def left_beside(target: Path) -> list[str]:
    return [path.name for path in target.parent.iterdir() if path.name.startswith(f".{target.name}")]


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
    address = {"bucket": store.bucket, "prefix": store.prefix, "cache": str(store.cache), "region": "us-east-1",
               "endpoint_url": store.client.meta.endpoint_url, "access_key": "test", "secret_key": "test"}  # fmt: skip
    stored, target = store.put_file("k", large), tmp_path / "back" / "k"
    die("download", address, "k", target, parts=3, sha256=stored.sha256)
    part = target.with_name(".k.part")
    part.write_bytes(bytes(SIZE))
    store.download(stored, target)
    assert sha256(target) == stored.sha256


def test_a_folder_that_was_half_fetched_is_gone_on_with(store: ObjectStore, tmp_path: Path, large: Path) -> None:
    from models.contracts import FileEntry

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


def test_a_copy_inside_the_store_sends_no_bytes(
    any_store: ObjectStore, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PART", PART)
    (tmp_path / "small").write_bytes(b"small")
    any_store.put_file("large", large)
    any_store.put_file("small", tmp_path / "small")
    sent = Requests(any_store)
    any_store.copy_files([Duplicate(any_store.uri(k), any_store.uri(f"copy/{k}")) for k in ("large", "small")])
    assert sent.bytes == 0
    assert (sent.count["UploadPartCopy"], sent.count["CopyObject"]) == (PARTS, 1)
    assert hashlib.sha256(any_store.get_bytes("copy/large")).hexdigest() == sha256(large)
    assert any_store.get_bytes("copy/small") == b"small"


def test_a_copy_of_nothing_is_an_error(any_store: ObjectStore) -> None:
    with pytest.raises(MissingObject):
        any_store.copy("nothing", "copy")


# --- what goes wrong ---


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


def test_a_file_that_changes_while_it_is_sent_is_not_stored(any_store: ObjectStore, large: Path) -> None:
    def change(**_: Any) -> None:
        with large.open("r+b") as file:
            file.write(b"changed")

    any_store.client.meta.events.register("before-call.s3.CreateMultipartUpload", change)
    with pytest.raises(StoreError, match=r"large.bin was changed while it was being sent"):
        any_store.put_file("k", large)
    assert not any_store.exists("k")
    assert uploads_under_way(any_store) == []


def test_a_file_that_is_not_what_was_hashed_before_is_not_stored(any_store: ObjectStore, large: Path) -> None:
    with pytest.raises(StoreError, match="was changed"):
        any_store.put_file("k", large, sha256="0" * 64)
    assert not any_store.exists("k")


def test_a_body_that_breaks_off_is_asked_for_again(address: dict[str, Any], large: Path, tmp_path: Path) -> None:
    stored, cut = opened(address).put_file("k", large), Counter[str]()

    def plan(request: Request) -> str:
        range_ = str(request.number % 3)
        cut[range_] += request.method == "GET"
        return "body cut" if request.method == "GET" and request.number % 3 == 0 else ""

    with proxy(address["endpoint_url"]) as (state, url):
        behind = opened(address, endpoint_url=url)
        state.plan = plan
        behind.download(stored, tmp_path / "back")
        assert state.faults
    assert sha256(tmp_path / "back") == stored.sha256


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
        stored = store.put_file("k", large)
        with pytest.raises(
            StoreError, match=r"small/k needs .* bytes .* the disk is full. Nothing incomplete was left"
        ):
            store.download(stored, small / "k")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)


# --- hashes ---


def test_a_hash_is_worked_out_once_and_a_changed_file_is_never_believed_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, hashes, read = tmp_path / "f", Hashes(), []
    original = hashing.sha256_of
    monkeypatch.setattr(hashing, "sha256_of", lambda path: read.append(path) or original(path))
    file.write_bytes(b"one")
    assert hashes.of(file) == hashes.of(file) == sha256(file)
    assert len(read) == 2, "the file was written a moment ago: its time would not show that it was written again"
    monkeypatch.setattr(hashing, "SETTLED_NS", -1)
    assert hashes.of(file) == hashes.of(file)
    assert len(read) == 3
    before = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hashes.of(file) == hashlib.sha256(b"two").hexdigest()
