"""Finds the files behind a spec's sources and reads each from where the last run stopped."""

import glob
import gzip
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import pyarrow as pa

from errors import DataError
from infra.object_store import ObjectStore
from models.contracts import SourcePosition
from models.sections import Data
from tasks.parquet import parquet_head, read_parquet
from tasks.readers import read_csv, read_jsonl
from tasks.records import RawRow, Roles, Start, open_bytes, survey

Format = Literal["csv", "jsonl", "parquet"]
_FORMATS: dict[str, Format] = {
    ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip


@dataclass(frozen=True)
class SourceFile:
    """One file of a source. `uri` names it in the cursor: relative to the spec where it lies below it."""

    uri: str
    path: Path | None
    format: Format


def find_files(data: Data, *, base: str, store: ObjectStore) -> list[SourceFile]:
    """Every file once, in the order of the sources, by name within each. DataError where one matches nothing."""
    found: dict[str, SourceFile] = {}
    for pattern in data.sources:
        matches = _objects(pattern, store) if pattern.startswith("s3://") else _files(pattern, Path(base))
        if not matches:
            raise DataError(f"data.sources: no file matches {pattern!r} (looked in {base}); check the path in the spec")
        for uri in sorted(matches):
            found.setdefault(uri, SourceFile(uri, matches[uri], _format_of(uri, data)))
    return list(found.values())


def _objects(prefix: str, store: ObjectStore) -> dict[str, Path | None]:
    uris = [uri for uri, _ in store.list_uris(prefix) if not uri.endswith("/")]
    # Writers leave markers such as _SUCCESS beside their data.
    return {uri: None for uri in uris if uri == prefix or not uri.rpartition("/")[2].startswith(("_", "."))}


def _files(pattern: str, base: Path) -> dict[str, Path | None]:
    whole = base / pattern
    if whole.is_dir():
        raise DataError(f"data.sources: {pattern!r} is a folder; write which files of it, such as {pattern}/*.csv")
    paths = [whole] if whole.exists() else [Path(p) for p in glob.glob(str(whole), recursive=True)]
    return {_name(path, base): path for path in paths if path.is_file()}


def _name(path: Path, base: Path) -> str:
    path, base = path.resolve(), base.resolve()
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


@contextmanager
def local_copy(source: SourceFile, *, folder: Path, store: ObjectStore) -> Iterator[Path]:
    """The file on this machine; Parquet unpacked. What was fetched is gone afterwards."""
    packed = source.uri.lower().endswith(".gz")
    fetched = folder / ("fetched.gz" if packed else "fetched")
    unpacked = folder / "unpacked"
    try:
        path = source.path
        if path is None:
            store.fetch_uri(source.uri, fetched)
            path = fetched
        if packed and source.format == "parquet":
            with gzip.open(path) as inside, unpacked.open("wb") as out:
                shutil.copyfileobj(inside, out)
            path = unpacked
        yield path
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{source.uri} is no complete gzip file ({error}); write it anew, or drop it from "
                        "data.sources") from error  # fmt: skip
    except pa.ArrowException as error:
        if source.format != "parquet":
            raise
        raise DataError(f"{source.uri} is no readable Parquet file ({error}); write it anew, or drop it from "
                        "data.sources") from error  # fmt: skip
    except OSError as error:
        raise DataError(f"{source.uri} cannot be read: {error}") from error
    finally:
        fetched.unlink(missing_ok=True)
        unpacked.unlink(missing_ok=True)


def resume(source: SourceFile, path: Path, roles: Roles, known: SourcePosition | None) -> Start:
    """Behind what was read, if the file still begins as it did; else its beginning."""
    if known is None:
        return Start()
    if source.format == "parquet":
        same = parquet_head(path, roles["text"], known.offset, source.uri) == known.head
        return Start(known.offset, known.rows, known.offset + 1) if same else Start()
    seen = survey(path, known.offset)
    return Start(known.offset, known.rows, seen[1]) if seen and seen[0] == known.head else Start()


def position(source: SourceFile, path: Path, roles: Roles, *, offset: int, rows: int) -> SourcePosition:
    if source.format == "parquet":
        head = parquet_head(path, roles["text"], offset, source.uri)
    else:
        head = (survey(path, offset) or (None,))[0]
    if head is None:
        raise DataError(f"{source.uri} became shorter while it was read; run again once nobody writes to it")
    return SourcePosition(uri=source.uri, head=head, size=path.stat().st_size, offset=offset, rows=rows)


def read_rows(source: SourceFile, path: Path, roles: Roles, start: Start) -> Iterator[RawRow]:
    if source.format == "parquet":
        yield from read_parquet(path, roles, start, source.uri)
        return
    read = read_csv if source.format == "csv" else read_jsonl
    with open_bytes(path) as file:
        yield from read(file, roles, start, source.uri)
