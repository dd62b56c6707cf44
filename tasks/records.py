"""What readers are made of: one record with its place, the lines of a stream, and where the last run stopped."""

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from models.sample import open_bytes

HEAD = 64 << 10
LONGEST_LINE = 8 << 20
_RAW_CHARS = 10_000
SURROGATE = re.compile("[\ud800-\udfff]")
BROKEN_UTF8 = "broken UTF-8"

Roles = dict[str, str]
"""The column of a raw table -> the source's own column."""
NUMBERS = frozenset({"score", "latency"})
"""Roles in which a value that is no number is a mistake, and not a missing one."""
Growing = Callable[[], bool]
"""Whether a file is being written; asked at its end, since a line may be begun while others are read."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """What one record said, and where: it ends at `end` (bytes; rows in Parquet)."""

    line: int
    end: int
    values: dict[str, str | None]
    problem: str | None = None
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: `line` is the number of the line at `offset`, `rows` were read before it."""

    offset: int = 0
    rows: int = 0
    line: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    number: int
    end: int
    cut: bool


def checked(line: int, end: int, values: dict[str, str | None], raw: str) -> RawRow:
    """A row, unless its characters could not be stored or are no text."""
    texts = [value for value in values.values() if value and not value.isascii()]
    if SURROGATE.search(raw) or any(SURROGATE.search(text) for text in texts):
        return broken(line, end, BROKEN_UTF8, raw)
    if any("\0" in value for value in values.values() if value):
        return broken(line, end, "a field holds NUL bytes", raw)
    return RawRow(line, end, values)


def broken(line: int, end: int, problem: str, raw: str) -> RawRow:
    return RawRow(line, end, {}, printable(problem), printable(raw[:_RAW_CHARS]))


def printable(text: str) -> str:
    """Undecodable bytes as \\xNN, other lone surrogates as \\uNNNN."""
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "backslashreplace")
    return data.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


class Lines:
    """The lines of a stream, with their places; those taken too hastily can be handed back.

    While a file is `growing`, a last line without an end is not taken: `left_open` says that there is one.
    """

    def __init__(self, file: IO[bytes], start: Start, *, growing: Growing = lambda: False) -> None:
        self.taken: list[Line] = []
        self.ended, self.left_open = False, False
        self._file, self._offset, self._number, self._growing = file, start.offset, start.line, growing
        self._back: deque[Line] = deque()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else self._read()
        self.taken.append(line)
        return line.text

    def hand_back(self) -> None:
        """All but the first taken line will be read again."""
        self.ended = False
        self._back.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def _read(self) -> Line:
        data = part = self._file.readline(LONGEST_LINE)
        self._offset += len(part)
        while len(part) == LONGEST_LINE and not part.endswith(b"\n"):
            part = self._file.readline(LONGEST_LINE)
            self._offset += len(part)
        # Once left it stays so: lines that were handed back end here again.
        self.left_open = self.left_open or (bool(data) and not part.endswith(b"\n") and self._growing())
        if not data or self.left_open:
            self.ended = True
            raise StopIteration
        text = data.decode("utf-8", "surrogateescape")
        line = Line(text, self._number, self._offset, cut=part is not data)
        self._number += 1
        return line


# --- where the last run stopped ---


def first_bytes(path: Path, most: int = HEAD) -> bytes:
    """As they lie there; who appends does not change them."""
    with path.open("rb") as file:
        return file.read(most)


def survey(path: Path, offset: int) -> tuple[str, int] | None:
    """(fingerprint of the first bytes, line number at `offset`); None where the file ends before `offset`.
    Of the unpacked content: a gzip file that was packed anew with more rows has other bytes."""
    digest, newlines, done = hashlib.sha256(), 0, 0
    with open_bytes(path) as file:
        while done < offset:
            chunk = file.read(min(HEAD, offset - done))
            if not chunk:
                return None
            if done < HEAD:
                digest.update(chunk[: HEAD - done])
            newlines += chunk.count(b"\n")
            done += len(chunk)
    return digest.hexdigest(), newlines + 1
