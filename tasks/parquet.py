"""Reads Parquet row by row as strings, whatever types its columns have."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.readers import require_columns
from tasks.records import NUMBERS, RawRow, Roles, Start, broken, checked
from tasks.tables import open_table

BATCH = 2048
HEAD_ROWS = 1000


def read_parquet(path: Path, roles: Roles, start: Start, name: str) -> Iterator[RawRow]:
    file = open_table(path)
    require_columns(roles, file.schema_arrow.names, name)
    row = 0
    for batch in _batches(file, sorted(set(roles.values()))):
        if row + batch.num_rows > start.offset:
            yield from _rows_of(batch, roles, first=row, skip=max(0, start.offset - row))
        row += batch.num_rows


def parquet_head(path: Path, column: str, rows: int, name: str) -> str | None:
    """Fingerprint of the first texts; None where there are fewer than `rows` rows. Of values rather than of
    bytes: a file that was written anew with more rows has other bytes from the start."""
    file = open_table(path)
    require_columns({"text": column}, file.schema_arrow.names, name)
    if file.metadata.num_rows < rows:
        return None
    values: list[str | None] = []
    for batch in _batches(file, [column]):
        values += _strings(batch.column(0))
        if len(values) >= min(rows, HEAD_ROWS):
            break
    return hashlib.sha256(json.dumps(values[: min(rows, HEAD_ROWS)]).encode()).hexdigest()


def _batches(file: pq.ParquetFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    return file.iter_batches(batch_size=BATCH, columns=columns)


def _rows_of(batch: pa.RecordBatch, roles: Roles, *, first: int, skip: int) -> Iterator[RawRow]:
    columns = {role: _strings(batch.column(column)) for role, column in roles.items()}
    for role, column in roles.items():
        if pa.types.is_floating(batch.column(column).type) and role not in NUMBERS:
            # pandas writes a missing label among numbers as NaN.
            columns[role] = [None if value == "nan" else value for value in columns[role]]
    kind = batch.column(roles["text"]).type
    no_text = None if _is_text(kind) else f"text is {kind}, not a string"
    for i in range(skip, batch.num_rows):
        values = {role: column[i] for role, column in columns.items()}
        line, raw = first + i + 1, values["text"] or ""
        if no_text and values["text"] is not None:
            yield broken(line, line, no_text, raw)
        else:
            row = checked(line, line, values, raw)
            yield (
                row if row.problem is None else broken(line, line, row.problem, json.dumps(values, ensure_ascii=False))
            )


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
                                       pa.types.is_binary, pa.types.is_large_binary, pa.types.is_null))  # fmt: skip


def _strings(column: pa.Array) -> list[str | None]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_text(column.type):
        # Arrow does not check UTF-8 when it reads Parquet, and would fail for the whole batch here.
        values = column.cast(pa.large_binary()).to_pylist()
        return [v if v is None else v.decode("utf-8", "surrogateescape") for v in values]
    if pa.types.is_timestamp(column.type):
        return _moments(column)
    try:
        return column.cast(pa.string()).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return [_as_json(column, i) for i in range(len(column))]


def _moments(column: pa.Array) -> list[str | None]:
    """In UTC, to the microsecond. Arrow writes a naive one that no calendar has as such, and one with a zone as another."""
    zone = "Z" if column.type.tz else ""
    with suppress(pa.ArrowInvalid):  # more than can be counted in microseconds
        column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=column.type.unit != "ns")
    naive = column.view(pa.timestamp(column.type.unit))
    return [v if v is None else v + zone for v in naive.cast(pa.string()).to_pylist()]


def _as_json(column: pa.Array, row: int) -> str | None:
    try:
        value = column[row].as_py()
    except (OverflowError, ValueError, KeyError):  # a date that Python has not, in a zone that it does not know
        return str(column.slice(row, 1).to_string(skip_new_lines=True))
    return None if value is None else json.dumps(value, default=str)
