"""Local copies of stored files: whole or not there at all, and verified by their SHA-256."""

import errno
import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from errors import CorruptObject, StoreError, UpkeepError

LOG = logging.getLogger(__name__)
CHUNK = 1 << 20
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
"""A disk, or a user's share of it, that is full."""


@dataclass(frozen=True)
class Stored:
    """A file that is in the store."""

    uri: str
    sha256: str
    bytes: int


class Located(Protocol):
    """Anything that says where its bytes are and what they are: `Stored`, or a record's artifact."""

    @property
    def uri(self) -> str: ...
    @property
    def sha256(self) -> str: ...


class Entry(Protocol):
    """One file of a folder: its path below the folder, and its content."""

    @property
    def path(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def bytes(self) -> int: ...


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_of_chunks(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def folder_digest(files: Iterable[Entry]) -> str:
    """Names a folder by what is in it."""
    return sha256_of_bytes("".join(f"{file.sha256}  {file.path}\n" for file in files).encode())


def corrupt(uri: str, *, found: str, recorded: str) -> CorruptObject:
    """Of an object whose bytes are not the ones that were recorded."""
    return CorruptObject(f"{uri} has SHA-256 {found}, recorded was {recorded}: the stored file was changed. Nothing was loaded. "
                         "Roll back to another version, or restore the object.")  # fmt: skip


def force_to_disk(path: Path) -> None:
    """A file's bytes, or a folder's names; nothing where it is gone by now."""
    try:
        opened = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def cut_name(name: str, most: int) -> str:
    """The beginning of a name that something is added to: file systems count bytes, and take 255."""
    return os.fsencode(name)[:most].decode(errors="ignore")


def try_lock(file: int | IO[str]) -> bool:
    """Locks it unless another process has; whether it did."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def partial(target: Path) -> Iterator[Path]:
    """A temporary neighbour that becomes `target` in one step, whole also after a power cut, or disappears."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        force_to_disk(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def draft_of(folder: Path, content: str) -> Iterator[Path]:
    """A folder beside the one that is to be made, to be filled and to take its name in one step.

    What a killed process or a broken connection left in it is found again where the same `content` is wanted; after
    any other error it goes. One process at a time has it, and the others wait.
    """
    draft = folder.with_name(f".{cut_name(folder.name, 60)}.{content[:16]}.part")
    with alone_in(draft):
        try:
            yield draft
        except UpkeepError as problem:
            if type(problem) is not StoreError:
                shutil.rmtree(draft)
            raise
        if draft.exists():
            shutil.rmtree(draft)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Others wait, as long as the process lives that is in the folder; it may move it away or remove it."""
    while True:
        handle = _open(folder)
        try:
            _lock(handle, folder)
            if _is_still(folder, handle):
                yield
                return
        finally:
            os.close(handle)  # and the lock with it; if its owner has moved the folder away, there is a new one to lock


def _open(folder: Path) -> int:
    while True:
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
        with suppress(FileNotFoundError):  # who was in it has taken it away meanwhile
            return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def _lock(handle: int, folder: Path) -> None:
    if not try_lock(handle):
        LOG.warning("another process is at the same work, in %s: waiting until it is done", folder)
        fcntl.flock(handle, fcntl.LOCK_EX)


def _is_still(folder: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), folder.stat())
    except FileNotFoundError:
        return False
