"""A first look at a data file, before there is a spec: its rows, and what its columns hold."""

import codecs
import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from errors import DataError

SAMPLE_ROWS = 2000
_LONGEST_FIELD = 8 << 20
CSV_LINES = (
    "its first line must name the columns, and lines end with \\n or \\r\\n: a spreadsheet's CSV for the Macintosh, "
    "which has \\r alone, is to be saved as a plain one"
)
_UTF_16 = {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
_SEPARATORS = {";": "semicolons", "\t": "tabs"}
_READABLE = ".csv, .jsonl, .ndjson, .parquet or .pq, each also with .gz"

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """The values of one column in the sample; blank ones are left out."""

    name: str
    values: tuple[Any, ...]

    @cached_property
    def texts(self) -> list[str]:
        return [as_text(value) for value in self.values]

    @cached_property
    def distinct(self) -> int:
        return len(set(self.texts))

    @cached_property
    def chars(self) -> float:
        """Characters of a value, on average."""
        return sum(map(len, self.texts)) / max(1, len(self.texts))

    @cached_property
    def words(self) -> float:
        return sum(len(text.split()) for text in self.texts) / max(1, len(self.texts))

    @cached_property
    def is_string(self) -> bool:
        return bool(self.values) and all(isinstance(value, str) for value in self.values)

    @cached_property
    def numbers(self) -> list[float] | None:
        """The values as numbers; None where one is none."""
        try:
            found = [float(text) for text in self.texts]
        except ValueError:
            return None
        return found if found and all(map(math.isfinite, found)) else None

    def __str__(self) -> str:
        example = self.texts[0][:40] if self.texts else ""
        return f"{self.name!r} ({self.distinct} distinct, such as {example!r})"


def survey_columns(path: Path) -> list[Column]:
    """Every column of the first rows, in the file's order. DataError where the file has no readable row."""
    held: dict[str, list[Any]] = {}
    rows = 0
    for row in islice(read_rows(path), SAMPLE_ROWS):
        rows += 1
        for name, value in row.items():
            held.setdefault(name, [])
            if as_text(value):
                held[name].append(value)
    if not rows:
        raise DataError(f"{path} holds no row that can be read ({path.stat().st_size} bytes); "
                        "give a file with a header line and rows, or with one JSON object a line")  # fmt: skip
    return [Column(name, tuple(values)) for name, values in held.items()]


def as_text(value: Any) -> str:
    """A value as ingestion will store it; empty where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if isinstance(value, bool | int | float | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value).strip()


def read_rows(path: Path) -> Iterator[Row]:
    """The rows one after the other; rows that cannot be read are passed over. DataError where the file cannot."""
    if not path.is_file():
        raise DataError(f"{path} is not a file; give one data file: {_READABLE}")
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    reader = {".csv": _read_csv, ".jsonl": _read_jsonl, ".ndjson": _read_jsonl,
              ".parquet": _read_parquet, ".pq": _read_parquet}.get(suffix)  # fmt: skip
    if reader is None:
        raise DataError(f"{path}: {suffix or 'no suffix'!r} does not say the format; rename it to {_READABLE}")
    try:
        with open_bytes(path) as file:
            refuse_utf_16(file, str(path))
            if reader is _read_csv:
                refuse_separator(file, str(path))
            yield from reader(file)
    except csv.Error as problem:
        raise DataError(f"{path}: the header is no valid CSV ({problem}); {CSV_LINES}") from problem
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise DataError(f"{path} is no complete gzip file ({problem}); write it anew") from problem
    except _arrow_error() as problem:
        raise DataError(f"{path} is no Parquet file ({problem}); write it anew") from problem


def refuse_utf_16(file: IO[bytes], name: str) -> None:
    """DataError where the file begins with the mark of UTF-16; else it stands at its beginning again."""
    if file.read(2) in _UTF_16:
        raise DataError(f"{name} is UTF-16, as spreadsheets save Unicode text; save it as UTF-8")
    file.seek(0)


def refuse_separator(file: IO[bytes], name: str) -> None:
    """DataError where a CSV's header has no comma and another separator; else it stands at its beginning again."""
    header = file.readline(_LONGEST_FIELD).decode("utf-8-sig", "replace").strip()
    for separator, said in _SEPARATORS.items():
        if separator in header and "," not in header:
            raise DataError(f"{name} separates its columns by {said} (first line: {header[:60]!r}), and a CSV's are separated by "
                            "commas; save it with commas")  # fmt: skip
    file.seek(0)


def named_twice(path: Path) -> set[str]:
    """Columns that a CSV has more than once; of other files none."""
    if not path.name.lower().removesuffix(".gz").endswith(".csv"):
        return set()
    with open_bytes(path) as file:
        header = _header(csv.reader(_lines(file)))
    return {name for name in header if header.count(name) > 1}


def open_bytes(path: Path) -> IO[bytes]:
    """Unpacked where its name ends in .gz."""
    return cast(IO[bytes], gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb"))


def _lines(file: IO[bytes]) -> Iterable[str]:
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="\n")


def _header(reader: Iterator[list[str]]) -> list[str]:
    return [name.strip() for name in next((fields for fields in reader if fields), [])]


def _read_csv(file: IO[bytes]) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(_lines(file))
    header = _header(reader)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue
        if len(fields) == len(header):
            yield dict(zip(header, fields, strict=True))


def _read_jsonl(file: IO[bytes]) -> Iterator[Row]:
    for line in _lines(file):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict):
            yield document


def _read_parquet(file: IO[bytes]) -> Iterator[Row]:
    import pyarrow.parquet as pq

    seekable = io.BytesIO(file.read()) if isinstance(file, gzip.GzipFile) else file
    for batch in pq.ParquetFile(seekable, pre_buffer=False).iter_batches(batch_size=SAMPLE_ROWS):
        yield from batch.to_pylist()


def _arrow_error() -> type[Exception]:
    import pyarrow as pa

    found: type[Exception] = pa.ArrowInvalid
    return found
