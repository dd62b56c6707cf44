"""A workspace that is left alone for years keeps what is used, and nothing else."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from infra import tidying
from infra.files import alone_in
from infra.object_store import ObjectStore
from infra.tidying import draft, tidy, touch_copy
from infra.workspace import open_workspace
from models.contracts import FileEntry
from tests.infra.specs import spec_with
from tests.infra.transfers import sha256

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys, time
from pathlib import Path
from infra.tidying import draft
with draft(Path(sys.argv[1]), "verify") as folder:
    (folder / "weights").write_bytes(b"x")
    print(folder, flush=True)
    time.sleep(600)
"""
HOLD_A_TRAINING = """
import sys, time
from pathlib import Path
from infra.files import alone_in
with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(600)
"""
COPIES = timedelta(days=14)


def age(path: Path, days: float) -> Path:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))
    return path


def test_copies_that_nobody_used_for_two_weeks_go_and_what_was_used_meanwhile_stays(
    any_store: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "rows").write_bytes(b"rows")
    (tmp_path / "config.json").write_bytes(b"{}")
    rows = any_store.put_file("rows", tmp_path / "rows")
    any_store.put_file("model/config.json", tmp_path / "config.json")
    files = [FileEntry(path="config.json", sha256=sha256(tmp_path / "config.json"), bytes=2)]
    copies = [any_store.get_file(rows), any_store.get_folder("model/", files)]
    home = any_store.cache.parent
    for path in copies:
        age(path, 15)
    any_store.get_file(rows)
    tidy(home, copies=COPIES)
    assert [path.exists() for path in copies] == [True, False]
    age(copies[0], 15)
    tidy(home, copies=COPIES)
    assert not copies[0].exists()
    assert any_store.get_file(rows).read_bytes() == b"rows"
    assert (any_store.get_folder("model/", files) / "config.json").read_bytes() == b"{}"
    age(copies[1], 15)
    any_store.get_folder("model/", files)
    tidy(home, copies=COPIES)
    assert copies[1].exists()


@pytest.mark.parametrize(("hours", "noted"), [(0.9, False), (1.1, True)])
def test_the_use_of_a_copy_is_noted_once_an_hour_since_it_is_hashed_again_after_that(
    hours: float, noted: bool, tmp_path: Path
) -> None:
    (tmp_path / "copy").touch()
    before = age(tmp_path / "copy", hours / 24).stat().st_mtime
    assert touch_copy(tmp_path / "copy")
    assert ((tmp_path / "copy").stat().st_mtime > before) is noted


def test_whoever_opens_a_workspace_tidies_it_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"S3_BUCKET": "b", "CACHE_DAYS": "3", "HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(f"UPKEEP_{name}", value)
    (tmp_path / "home" / "cache").mkdir(parents=True)
    copies = [tmp_path / "home" / "cache" / name for name in ("old", "new")]
    for copy, days in zip(copies, (4, 2), strict=True):
        copy.touch()
        age(copy, days)
    with open_workspace(tmp_path / "spec.yaml", spec_with()):
        assert [copy.exists() for copy in copies] == [False, True]


def test_what_a_store_was_found_to_keep_is_no_copy(tmp_path: Path) -> None:
    found = tmp_path / "cache" / "stores" / "found.json"
    found.parent.mkdir(parents=True)
    found.write_text("{}")
    for path in (found, found.parent):
        age(path, 400)
    tidy(tmp_path, copies=COPIES)
    assert found.exists()


def test_checkpoints_wait_for_a_larger_cap_for_three_months(tmp_path: Path) -> None:
    kept, gone = (tmp_path / "work" / f"training-{name}" for name in ("new", "old"))
    for folder, days in ((kept, 80), (gone, 100)):
        (folder / "checkpoint-1").mkdir(parents=True)
        age(folder, days)
    tidy(tmp_path, copies=COPIES)
    assert [kept.exists(), gone.exists()] == [True, False]


def test_a_draft_goes_with_its_process_and_never_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidying, "NEW_SECONDS", 0.0)
    command = [sys.executable, "-c", HOLD, str(tmp_path / "work")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        folder = age(Path(process.stdout.readline().strip()), 400)
        tidy(tmp_path, copies=COPIES)
        assert (folder / "weights").exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (folder / "weights").exists()
    tidy(tmp_path, copies=COPIES)
    assert not folder.exists()


def test_a_killed_process_leaves_its_training_s_folder_to_who_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, killed = tmp_path / "training-1", threading.Event()
    command = [sys.executable, "-c", HOLD_A_TRAINING, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdout.readline() == "in\n"
        (folder / "checkpoint-1").mkdir()
        threading.Timer(0.2, lambda: (killed.set(), process.send_signal(signal.SIGKILL))).start()
        with alone_in(folder):
            assert killed.is_set() and (folder / "checkpoint-1").exists()
    assert "another process is at the same work" in caplog.text


def test_who_waited_for_a_folder_that_then_went_holds_the_new_one(tmp_path: Path) -> None:
    folder, held = tmp_path / "training-1", threading.Event()

    def wait() -> None:
        with alone_in(folder):
            held.set()
            time.sleep(0.1)
            (folder / "checkpoint-1").mkdir()

    waiting = threading.Thread(target=wait)
    with alone_in(folder):
        waiting.start()
        time.sleep(0.1)
        shutil.rmtree(folder)
    held.wait(10)
    with alone_in(folder):
        assert (folder / "checkpoint-1").exists()
    waiting.join()


def test_a_folder_that_goes_again_and_again_is_held_by_one_each_time(tmp_path: Path) -> None:
    inside: list[int] = []

    def work(_: int) -> None:
        with alone_in(tmp_path / "training-1"):
            inside.append(1)
            assert inside == [1]
            inside.pop()
            shutil.rmtree(tmp_path / "training-1")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(400)))


def test_a_draft_is_gone_once_it_was_used_however_that_ended(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), draft(tmp_path, "verify") as folder:
        (folder / "weights").write_bytes(b"x")
        raise ZeroDivisionError
    assert not list((tmp_path / "drafts").iterdir())


def test_a_draft_that_somebody_took_away_is_no_error_and_none_stays_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/dev/fd"))

    before = open_files()
    with draft(tmp_path / "work", "verify") as folder:
        assert folder.name.startswith("verify-")
        shutil.rmtree(folder)
    with draft(tmp_path / "work", "verify") as folder:
        age(folder, 400)
        tidy(tmp_path, copies=COPIES)
        assert folder.exists()
    assert open_files() == before


def test_a_copy_that_goes_while_it_is_looked_at_is_nobody_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(*_: object) -> None:
        raise FileNotFoundError

    caplog.set_level("INFO")
    (tmp_path / "cache" / "folders" / "model").mkdir(parents=True)
    age(tmp_path / "cache" / "folders" / "model", 15)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Path, "rename", gone)
        tidy(tmp_path, copies=COPIES)
    assert caplog.text == ""
    tidy(tmp_path, copies=COPIES)
    assert "tidied up: 1 copies" in caplog.text


def test_a_copy_whose_name_is_as_long_as_a_disk_takes_goes_as_well(tmp_path: Path) -> None:
    (tmp_path / "cache" / ("x" * 255)).mkdir(parents=True)
    age(tmp_path / "cache" / ("x" * 255), 15)
    tidy(tmp_path, copies=COPIES)
    assert not list((tmp_path / "cache").iterdir())


def test_what_cannot_be_removed_stays_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder, file = tmp_path / "cache" / "folders" / "model", tmp_path / "cache" / "rows"
    folder.mkdir(parents=True)
    file.touch()
    for path in (folder, file):
        age(path, 15)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("another user's")

    caplog.set_level("INFO")
    for name in ("rename", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    tidy(tmp_path, copies=COPIES)
    assert folder.exists() and file.exists()
    assert "tidied up" not in caplog.text
    assert [str(path) in caplog.text for path in (folder, file)] == [True, True]


def test_a_removal_that_was_killed_hinders_no_later_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache" / "folders" / "model"
    for _ in range(2):  # killed each time, before anything of the folder was gone
        folder.mkdir(parents=True)
        (folder / "weights").touch()
        age(folder, 15)
        with monkeypatch.context() as killed:
            killed.setattr(tidying.shutil, "rmtree", lambda _: None)
            tidy(tmp_path, copies=COPIES)
    assert not folder.exists()
    for left in folder.parent.iterdir():
        age(left, 15)
    tidy(tmp_path, copies=COPIES)
    assert not list(folder.parent.iterdir())


def test_a_draft_that_is_not_locked_yet_is_left_alone(tmp_path: Path) -> None:
    new = tmp_path / "work" / "drafts" / "verify-new"
    new.mkdir(parents=True)
    tidy(tmp_path, copies=COPIES)
    assert new.exists()


def test_another_user_s_draft_which_nobody_else_may_open_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft_of_another = tmp_path / "work" / "drafts" / "verify-another"
    draft_of_another.mkdir(parents=True)
    age(draft_of_another, 400)

    def refuse(path: Path, *_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as denied:
        denied.setattr(tidying.os, "open", refuse)
        tidy(tmp_path, copies=COPIES)
    assert draft_of_another.exists()


def test_where_folders_are_is_no_copy_and_uploads_that_are_under_way_are_no_checkpoints(tmp_path: Path) -> None:
    copy, upload = tmp_path / "cache" / "folders" / "model", tmp_path / "work" / "uploads" / "noted.json"
    for path in (copy, upload):
        path.parent.mkdir(parents=True)
        path.touch()
        age(path.parent, 400)
    tidy(tmp_path, copies=COPIES)
    assert copy.exists() and upload.exists()


@pytest.mark.parametrize("problem", [PermissionError("another user's"), OSError(errno.EROFS, "Read-only file system"),
                                     OSError(errno.ENOSPC, "No space left on device")])  # fmt: skip
def test_a_copy_of_another_user_or_on_a_disk_that_takes_no_writes_is_used_as_it_is(
    problem: OSError, any_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise problem

    (tmp_path / "rows").write_bytes(b"rows")
    rows = any_store.put_file("rows", tmp_path / "rows")
    copy = age(any_store.get_file(rows), 1)
    any_store.delete("rows")
    monkeypatch.setattr(tidying.os, "utime", refuse)
    assert any_store.get_file(rows) == copy


def test_of_a_disk_that_takes_no_writes_nothing_is_said_to_be_used_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be read from right after that, and would be said in every run."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    (tmp_path / "cache" / "folders" / "model").mkdir(parents=True)
    age(tmp_path / "cache" / "folders" / "model", 15)
    monkeypatch.setattr(Path, "rename", refuse)
    tidy(tmp_path, copies=COPIES)
    assert caplog.text == "" and (tmp_path / "cache" / "folders" / "model").exists()


@pytest.mark.parametrize("when", ["rows", "verify-left"])
def test_what_another_process_tidies_up_at_the_same_moment_is_no_error(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old = [tmp_path / "cache" / "rows", tmp_path / "cache" / "scores", tmp_path / "work" / "drafts" / "verify-left"]
    for path in old:
        path.mkdir(parents=True)
        age(path, 400)
    look = tidying._is_older

    def and_another_comes(path: Path, than: timedelta) -> bool:
        found = look(path, than)
        if path.name == when:
            monkeypatch.setattr(tidying, "_is_older", look)
            tidy(tmp_path, copies=COPIES)
        return found

    monkeypatch.setattr(tidying, "_is_older", and_another_comes)
    tidy(tmp_path, copies=COPIES)
    assert not any(path.exists() for path in old)
    assert "stays" not in caplog.text
