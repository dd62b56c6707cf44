"""What nobody uses any more leaves the machine: copies of stored files, and what processes that died had begun."""

import errno
import fcntl
import itertools
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp

from errors import StoreError
from infra.files import try_lock

LOG = logging.getLogger(__name__)
TRAININGS = timedelta(days=90)
"""Checkpoints that nobody went on from for so long; a training that waits at its cap is one of them."""
USED_SECONDS = 3600.0
"""A copy's last use is noted no more often."""
NEW_SECONDS = 60.0
"""A draft may be so young that it is not locked yet."""
KEPT = {"folders", "stores"}
"""In the cache, and no copies: where folders are, and what stores were found to keep."""


def tidy(home: Path, *, copies: timedelta) -> None:
    """Of a workspace's folder: copies that nobody used for so long, drafts of dead processes, and old checkpoints."""
    cache, work = home / "cache", home / "work"
    copied = [path for path in (*_in(cache), *_in(cache / "folders")) if path.name not in KEPT]
    trainings = [path for path in _in(work) if path.name.startswith("training-")]
    # Each is looked at right before it goes: the one before may have taken minutes, and somebody use it by now.
    going = itertools.chain(
        (path for path in copied if _is_older(path, copies)),
        (path for path in _in(work / "drafts") if _is_left(path)),
        (path for path in trainings if _is_older(path, TRAININGS)),
    )
    gone = sum(_remove(path) for path in going)
    if gone:
        LOG.info("tidied up: %d copies, drafts and checkpoints that nobody uses any more", gone)


def touch_copy(path: Path) -> bool:
    """Counts a copy in the cache as used, so that it stays; whether it is there."""
    try:
        if path.stat().st_mtime < time.time() - USED_SECONDS:  # a file whose times change has to be hashed again
            os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:
        pass  # another user's, or on a disk that takes no writes, or no more of them
    return True


def make_room(path: Path) -> None:
    """Takes a copy away that another is to replace. What is left of it under another name, `tidy` removes."""
    try:
        _take_away(path)
    except OSError as problem:
        if not path.exists():
            return
        raise StoreError(f"{path} is not what was fetched any more, and cannot be replaced: {problem}. Nothing was loaded. Remove it, "
                         "or let UPKEEP_HOME name a folder that is yours") from problem  # fmt: skip


@contextmanager
def draft(work: Path, prefix: str) -> Iterator[Path]:
    """A folder that goes when who made it is done with it, or, where that was killed, with the next `tidy`."""
    drafts = work / "drafts"
    drafts.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(dir=drafts, prefix=f"{prefix}-"))
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _in(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _is_older(path: Path, age: timedelta) -> bool:
    try:
        return time.time() - path.stat().st_mtime > age.total_seconds()
    except FileNotFoundError:  # another process was faster
        return False


def _is_left(folder: Path) -> bool:
    if not _is_older(folder, timedelta(seconds=NEW_SECONDS)):
        return False
    try:
        lock = os.open(folder, os.O_RDONLY)
    except (FileNotFoundError, PermissionError):  # gone, or another user's
        return False
    try:
        return try_lock(lock)
    finally:
        os.close(lock)


def _remove(path: Path) -> bool:
    """Whether it is gone. What cannot be removed, another user's for one, is no reason for a run to fail."""
    try:
        _take_away(path)
    except FileNotFoundError:  # another process was faster
        return False
    except OSError as problem:
        if problem.errno != errno.EROFS:  # or it would be said in every run, of what that may go on to read
            LOG.warning("%s is used by nobody any more, and stays: %s", path, problem)
        return False
    return True


def _take_away(path: Path) -> None:
    """A folder first loses its name, so that nobody takes half of it for the whole."""
    if path.is_dir():
        path = path.rename(path.with_name(f".{path.name[:60]}.{secrets.token_hex(4)}.gone"))
        shutil.rmtree(path)
    else:
        path.unlink()
