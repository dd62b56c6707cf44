"""A file on its way here: its bytes in `.NAME.part` beside the target, and which of its spans are whole in a journal."""

import errno
import json
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from errors import FullDisk, StoreError
from infra.files import NO_ROOM, cut_name, try_lock
from infra.transfer import Span

PIECE = 1 << 18
"""Bytes that are written, or read, at once. Larger ones cost more: the system gives their memory page by page, each time."""


class Arrival:
    """What a process that was killed left behind is gone on with if it is of the same object (`etag`, `size`)."""

    def __init__(self, target: Path, *, uri: str, etag: str, size: int) -> None:
        self.target, self.uri, self.size, self._lock = target, uri, size, threading.Lock()
        self._piece = memoryview(bytearray(PIECE))
        target.parent.mkdir(parents=True, exist_ok=True)
        self.part, self._journal = _locked(target)
        header = {"uri": uri, "etag": etag, "size": size}
        self.arrived = self._earlier(header) if etag else set()
        self.resumed = bool(self.arrived)
        """Whether some of the bytes came in an earlier process."""
        if not self.resumed:
            self._journal.truncate(0)
        self._data = self.part.open("r+b" if self.resumed else "w+b", buffering=0)
        with self._room():
            _take_room(self._data.fileno(), size)
        if not self.resumed:
            self._write_line(header)

    def _earlier(self, header: dict[str, object]) -> set[int]:
        self._journal.seek(0)
        whole, _, cut_off = self._journal.read().rpartition("\n")
        lines = whole.split("\n")
        try:
            same = json.loads(lines[0]) == header and self.part.stat().st_size == self.size
            arrived = {int(line) for line in lines[1:]}
        except (ValueError, FileNotFoundError):  # no journal of ours, or none of its file
            return set()
        if cut_off:
            self._journal.truncate(len(f"{whole}\n".encode()))
        return arrived if same else set()

    def write(self, data: bytes, at: int) -> None:
        view = memoryview(data)
        with self._room():
            while view:
                written = os.pwrite(self._data.fileno(), view, at)
                view, at = view[written:], at + written

    def finish(self, span: Span) -> None:
        self._write_line(span.number)

    def read(self, span: Span) -> Iterator[memoryview]:
        """In pieces, which are good until the next one is asked for."""
        at, end = span.start, span.start + span.length
        while at < end:
            count = os.preadv(self._data.fileno(), [self._piece[: end - at]], at)
            if not count:
                raise StoreError(f"{self.part} was cut off by somebody else; run again")
            yield self._piece[:count]
            at += count

    def _write_line(self, value: object) -> None:
        with self._lock, self._room():
            self._journal.write(json.dumps(value) + "\n")
            self._journal.flush()

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Makes a full disk an error that names the file and the way out, and leaves nothing of it behind."""
        try:
            yield
        except OSError as problem:
            if problem.errno not in NO_ROOM | {errno.EFBIG}:
                raise
            self.discard()
            folder = self.target.parent
            raise FullDisk(
                f"{self.target} needs {self.size:,} bytes for {self.uri}, and {folder} has "
                f"{shutil.disk_usage(folder).free:,} left: the disk is full. Nothing incomplete was left behind; free some "
                "space, or name another folder, and run again."
            ) from problem

    def appear(self, *, lasting: bool) -> None:
        """The file is whole: it takes its name. `lasting`: not before a power cut would leave it whole; its room was
        taken at once, and so it would have its size, and zeros."""
        if lasting:
            os.fsync(self._data.fileno())
        self.part.replace(self.target)
        self.discard()

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        Path(self._journal.name).unlink(missing_ok=True)

    def close(self) -> None:
        """Lets go of the files; what has arrived stays for the next process unless it was discarded."""
        self._data.close()
        self._journal.close()


def _take_room(file: int, size: int) -> None:
    """A disk that is too small is found out now; but not by macOS, which only counts the bytes."""
    if size and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.ftruncate(file, size)


def _locked(target: Path) -> tuple[Path, IO[str]]:
    """The part and its open journal; names of its own where another process is at the same file."""
    name = f".{cut_name(target.name, 200)}"
    for names in (name, f"{name}.{secrets.token_hex(4)}"):
        journal = target.with_name(f"{names}.arrived").open("a+", encoding="utf-8")
        if try_lock(journal) and os.fstat(journal.fileno()).st_nlink:  # 0: its owner ended as it was opened
            return target.with_name(f"{names}.part"), journal
        journal.close()
    raise StoreError(f"{target}: several processes write this file at once; let one of them finish, and run again")
