"""Reads a file of a source from where the last run stopped, and says where this one did."""

import gzip
import shutil
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from errors import DataError, FullDisk
from infra.files import NO_ROOM
from infra.object_store import ObjectStore
from models.contracts import SourcePosition
from models.sample import open_bytes, refuse_separator, refuse_utf_16
from tasks.parquet import parquet_head, read_parquet
from tasks.readers import read_csv, read_jsonl
from tasks.records import Growing, RawRow, Roles, Start, first_bytes, survey
from tasks.sources import SourceFile


@contextmanager
def local_copy(source: SourceFile, *, folder: Path, store: ObjectStore) -> Iterator[Path]:
    """The file on this machine; Parquet unpacked. What was fetched is gone afterwards."""
    packed = source.uri.lower().endswith(".gz")
    fetched = folder / ("fetched.gz" if packed else "fetched")
    unpacked = folder / "unpacked"
    try:
        with _told_of(source, folder):
            path = source.path
            if path is None:
                store.fetch_uri(source.uri, fetched)
                path = fetched
            if packed and source.format == "parquet":
                with gzip.open(path) as inside, unpacked.open("wb") as out:
                    shutil.copyfileobj(inside, out)
                path = unpacked
            yield path
    finally:
        fetched.unlink(missing_ok=True)
        unpacked.unlink(missing_ok=True)


@contextmanager
def _told_of(source: SourceFile, folder: Path) -> Iterator[None]:
    """What goes wrong with the file while it is fetched or read, in words and by the file's name."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{source.uri} is no complete gzip file ({error}); write it anew, or drop it from "
                        "data.sources") from error  # fmt: skip
    except pa.ArrowException as error:
        if source.format != "parquet":
            raise
        raise DataError(f"{source.uri} is no readable Parquet file ({error}); write it anew, or drop it from "
                        "data.sources") from error  # fmt: skip
    except OSError as error:
        if error.errno in NO_ROOM:
            raise FullDisk(f"no room below {folder} for the rows of {source.uri}: {error}. Make room, or set TMPDIR to a larger disk; "
                           "run again, what was finished is not done twice") from error  # fmt: skip
        raise DataError(f"{source.uri} cannot be read: {error}") from error


def resume(source: SourceFile, path: Path, roles: Roles, known: SourcePosition | None) -> Start:
    """Behind what was read, if the file still begins as it did; else its beginning."""
    if known is None:
        return Start()
    if source.format == "parquet":
        same = parquet_head(path, roles["text"], known.offset, source.uri) == known.head
        return Start(known.offset, known.rows, known.offset + 1) if same else Start()
    seen = survey(path, known.offset)
    return Start(known.offset, known.rows, seen[1]) if seen and seen[0] == known.head else Start()


def position(
    source: SourceFile, path: Path, roles: Roles, *, begun: bytes, offset: int, rows: int, state: str | None
) -> SourcePosition:
    """`begun`: the file's first bytes when it was opened. DataError where it is another one by now: by that one's fingerprint,
    rows that nobody has read would count as read."""
    if first_bytes(path, len(begun)) != begun:
        raise DataError(f"{source.uri} was written anew while it was read; run again once nobody writes to it")
    if source.format == "parquet":
        head = parquet_head(path, roles["text"], offset, source.uri)
    else:
        head = (survey(path, offset) or (None,))[0]
    if head is None:
        raise DataError(f"{source.uri} became shorter while it was read; run again once nobody writes to it")
    return SourcePosition(uri=source.uri, head=head, size=path.stat().st_size, offset=offset, rows=rows, state=state)


def read_rows(
    source: SourceFile, path: Path, roles: Roles, start: Start, *, growing: Growing
) -> Generator[RawRow, None, bool]:
    """Gives every row, and returns whether a last line was left that is still being written."""
    if source.format == "parquet":
        yield from read_parquet(path, roles, start, source.uri)
        return False
    with open_bytes(path) as file:
        refuse_utf_16(file, source.uri)
        if source.format == "jsonl":
            return (yield from read_jsonl(file, roles, start, source.uri, growing=growing))
        refuse_separator(file, source.uri)
        return (yield from read_csv(file, roles, start, source.uri, growing=growing))
