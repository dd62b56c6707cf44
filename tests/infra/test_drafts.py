"""Files and folders that take their name in one step: one process at a time, and nothing left of what failed."""

import fcntl
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from errors import CorruptObject, StoreError
from infra import files
from infra.files import draft_of, force_to_disk, partial
from infra.object_store import ObjectStore
from models.contracts import FileEntry
from tests.infra.transfers import Requests, sha256

CONTENT = "c" * 64


def failed(folder: Path, problem: Exception) -> list[str]:
    """What the next one finds of a folder whose making failed."""
    with pytest.raises(type(problem)), draft_of(folder, CONTENT) as draft:
        (draft / "first").touch()
        raise problem
    with draft_of(folder, CONTENT) as draft:
        return [path.name for path in draft.iterdir()]


@pytest.mark.parametrize(
    ("problem", "found"), [(StoreError("the connection broke"), ["first"]), (CorruptObject("other bytes"), [])]
)
def test_what_a_broken_connection_left_is_gone_on_with_and_what_any_other_error_left_is_not(
    problem: Exception, found: list[str], tmp_path: Path
) -> None:
    assert failed(tmp_path / "made", problem) == found
    assert list(tmp_path.iterdir()) == []


def test_what_was_left_of_another_content_is_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(StoreError), draft_of(tmp_path / "made", CONTENT) as draft:
        (draft / "first").touch()
        raise StoreError("the connection broke")
    with draft_of(tmp_path / "made", "d" * 64) as draft:
        assert not list(draft.iterdir())


def test_a_draft_whose_owner_made_the_folder_of_it_is_not_the_one_of_who_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And by then a third may have begun the next."""
    lock = fcntl.flock

    def make_and_begin(handle: int, how: int) -> None:
        monkeypatch.setattr(files.fcntl, "flock", lock)
        (draft,) = tmp_path.iterdir()
        draft.rename(tmp_path / "made")
        draft.mkdir()
        lock(handle, how)

    monkeypatch.setattr(files.fcntl, "flock", make_and_begin)
    with draft_of(tmp_path / "made", CONTENT) as draft:
        another = os.open(draft, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            lock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(another)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_of_two_that_want_the_same_folder_one_fetches_it_and_the_other_waits(
    store: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "b").write_bytes(b"b")
    store.put_file("f/b", tmp_path / "b")
    entries = [FileEntry(path="b", sha256=sha256(tmp_path / "b"), bytes=1)]
    waiting: list[Future[Path]] = []
    with ThreadPoolExecutor(1) as pool:

        def want_too(**_: Any) -> None:
            if not waiting:
                waiting.append(pool.submit(store.get_folder, "f/", entries))
                with pytest.raises(TimeoutError):
                    waiting[0].result(timeout=0.2)

        store.client.meta.events.register("before-call.s3.GetObject", want_too)
        asked = Requests(store)
        folder = store.get_folder("f/", entries)
        assert waiting[0].result(timeout=10) == folder
    assert (folder / "b").read_bytes() == b"b"
    assert asked.count["GetObject"] == 1


def test_what_was_just_made_is_not_put_among_what_another_had_half_fetched(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"b")
    entries = [FileEntry(path="b", sha256=sha256(tmp_path / "b"), bytes=1)]
    folder, digest = store._cached(entries)
    with pytest.raises(StoreError), draft_of(folder, digest) as draft:
        (draft / ".b.part").touch()
        raise StoreError("the connection broke")
    store.keep_folder(tmp_path, entries)
    assert (tmp_path / "b").exists() and not folder.exists()


def test_what_the_cache_keeps_is_forced_to_the_disk_before_it_takes_its_name_and_a_copy_of_one_s_own_is_not(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: forced.append(Path(os.readlink(f"/proc/self/fd/{file}")).name))
    (tmp_path / "b").write_bytes(b"b")
    stored = store.put_file("f/b", tmp_path / "b")
    entries = [FileEntry(path="b", sha256=stored.sha256, bytes=1)]
    store.download(stored, tmp_path / "own")
    store.download_folder("f/", entries, tmp_path / "own-folder")
    assert forced == []
    store.get_file(stored)
    store.get_folder("f/", entries)
    (tmp_path / "c").write_bytes(b"c")
    store.keep_folder(tmp_path, [FileEntry(path="c", sha256=sha256(tmp_path / "c"), bytes=1)])
    with partial(tmp_path / "report.html") as part:
        part.write_text("whole")
    force_to_disk(tmp_path / "gone")
    assert forced == [f".{stored.sha256}.part", ".b.part", "c", part.name]


def test_a_file_that_could_not_be_made_leaves_the_one_that_was_there(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("before")
    with pytest.raises(ZeroDivisionError), partial(target) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("report.html", "before")]
