"""SHA-256 of local files, each worked out once: remembered for as long as the file is surely the same."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.files import sha256_of

SETTLED_NS = 2_000_000_000
"""A file that was written less than so long ago could be written again without its time changing: clocks of file
systems have ticks. Its hash is not remembered."""
THREADS = 4


@dataclass(frozen=True)
class Stamp:
    """What changes when a file does. Nobody can set a file's ctime back, as they can its mtime."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, file: Path | int) -> "Stamp":
        stat = os.stat(file)
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)

    @property
    def is_settled(self) -> bool:
        return time.time_ns() - max(self.mtime_ns, self.ctime_ns) > SETTLED_NS


class Hashes:
    """The hashes of one process."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Stamp, str]] = {}

    def of(self, path: Path) -> str:
        known = self.recall(path)
        if known is not None:
            return known
        stamp, settled = Stamp.of(path), Stamp.of(path).is_settled
        found = sha256_of(path)
        if settled:
            self.remember(path, stamp, found)
        return found

    def of_all(self, paths: Sequence[Path]) -> list[str]:
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(self.of, paths))

    def recall(self, path: Path) -> str | None:
        """What is known of the file as it is now."""
        stamp, found = self._known.get(path.absolute(), (None, ""))
        return found if stamp is not None and stamp == Stamp.of(path) else None

    def remember(self, path: Path, stamp: Stamp, sha256: str) -> None:
        """`stamp` was taken, and had settled, before the first byte was read."""
        self._known[path.absolute()] = (stamp, sha256)
