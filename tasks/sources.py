"""Finds the files behind a spec's sources, and says of each what it is and whether it is still being written."""

import glob
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Literal

from errors import DataError
from infra.object_store import ObjectStore
from models.data_sections import Data
from tasks.records import SURROGATE, printable

Format = Literal["csv", "jsonl", "parquet"]
_FORMATS: dict[str, Format] = {
    ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip


UNCOMMITTED = {"_temporary", "_delta_log", "_spark_metadata"}
"""Folders of what a writer has not committed yet, and of a table's log."""
QUIET = timedelta(minutes=1)
"""A file that changed within this time may be in the middle of being written."""
TICK = timedelta(seconds=2)
"""The coarsest clock of a file system: within it, a file may change once more and bear the same time."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a source. `uri` names it in the cursor: as it was found, relative to the spec where it lies below it."""

    uri: str
    path: Path | None
    format: Format
    changed_at: datetime
    size: int
    state: str | None
    """See `SourcePosition.state`."""
    real: str
    """Its name past all links, by which Upkeep once kept the positions of linked files, too."""

    def is_growing(self, now: datetime) -> bool:
        """Whether it changed shortly before `now` or since; a local file is asked anew, as it may do so at any moment."""
        changed_at = _changed_at(self.path.stat()) if self.path else self.changed_at
        # A time that lies far ahead is a broken clock: its last line must not wait for years.
        return -timedelta(days=1) < now - changed_at < QUIET


def find_files(data: Data, *, base: str, now: datetime, store: ObjectStore) -> list[SourceFile]:
    """Every file once, in the order of the sources, by name within each: by its own, if that was found, else by that of a
    link, which may point to another file tomorrow. DataError where a source matches nothing."""
    found: dict[str, SourceFile] = {}
    for pattern in data.sources:
        matches = _objects(pattern, data, store) if pattern.startswith("s3://") else _files(pattern, data, base, now)
        if not matches:
            raise DataError(f"data.sources: no file matches {pattern!r} (looked in {base}); check the path in the spec")
        for source in sorted(matches, key=lambda match: match.uri):
            if source.real not in found or source.real == source.uri:
                found[source.real] = source
    return list(found.values())


def _objects(prefix: str, data: Data, store: ObjectStore) -> list[SourceFile]:
    found = []
    for listed in store.list_objects(prefix):
        # Writers leave markers such as _SUCCESS beside their data, and keep folders of their own there.
        *folders, name = listed.uri[len(prefix) :].split("/")[0 if prefix.endswith("/") else 1 :] or [""]
        is_theirs = name.startswith(("_", ".")) or any(f in UNCOMMITTED or f.startswith(".") for f in folders)
        if not is_theirs and not listed.uri.endswith("/"):
            state = f"{listed.etag} {listed.bytes} {listed.modified.isoformat()}" if listed.etag else None
            found.append(SourceFile(listed.uri, None, _format_of(listed.uri, data), listed.modified, listed.bytes, state,
                                    real=listed.uri))  # fmt: skip
    return found


def _files(pattern: str, data: Data, folder: str, now: datetime) -> list[SourceFile]:
    base = Path(folder)
    whole = base / pattern
    if whole.is_dir():
        raise DataError(f"data.sources: {pattern!r} is a folder; write which files of it, such as {pattern}/*.csv")
    there = str(Path(glob.escape(folder)) / pattern)
    paths = [whole] if whole.exists() else [Path(p) for p in glob.glob(there, recursive=True)]
    return [_local(path, base, data, now) for path in paths if path.is_file()]


def _local(path: Path, base: Path, data: Data, now: datetime) -> SourceFile:
    """Besides size and time, the inode and the time of its last change tell a file from one that was put in its place
    with the time of the old one."""
    uri = _name(Path(os.path.abspath(path)), Path(os.path.abspath(base)))
    if SURROGATE.search(uri):
        raise DataError(f"data.sources: the name of {printable(uri)} is not UTF-8; rename the file")
    seen = path.stat()
    settled = max(seen.st_mtime, seen.st_ctime) < (now - TICK).timestamp()
    state = f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns} {seen.st_ino}" if settled else None
    real = _name(path.resolve(), base.resolve())
    return SourceFile(uri, path, _format_of(uri, data), _changed_at(seen), seen.st_size, state, real)


def _changed_at(seen: os.stat_result) -> datetime:
    return datetime.fromtimestamp(seen.st_mtime, UTC)


def _name(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()


def _format_of(uri: str, data: Data) -> Format:
    if data.format != "auto":
        return data.format
    name = uri.lower().removesuffix(".gz")
    suffix = PurePosixPath(name).suffix
    if suffix not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise DataError(f"{uri}: the name does not say the format (known: {known}, each also with .gz); "
                        "set data.format, or name the files more narrowly in data.sources")  # fmt: skip
    return _FORMATS[suffix]
