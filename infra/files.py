"""Local copies of stored files: whole or not there at all, and verified by their SHA-256."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from errors import CorruptObject

CHUNK = 1 << 20


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
        return sha256_of_chunks(iter(lambda: file.read(CHUNK), b""))


def sha256_of_chunks(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def folder_digest(files: Iterable[Entry]) -> str:
    """Names a folder by what is in it."""
    return hashlib.sha256("".join(f"{file.sha256}  {file.path}\n" for file in files).encode()).hexdigest()


def verify(path: Path, located: Located) -> None:
    """Raises CorruptObject where the bytes are not the ones that were recorded."""
    found = sha256_of(path)
    if found != located.sha256:
        raise CorruptObject(
            f"{located.uri} has SHA-256 {found}, recorded was {located.sha256}: the stored file was changed. "
            "Nothing was loaded. Roll back to another version, or restore the object."
        )


@contextmanager
def partial(target: Path) -> Iterator[Path]:
    """A temporary neighbour that becomes `target` in one step, or disappears."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
