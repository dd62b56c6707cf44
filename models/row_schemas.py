"""The columns of a window's rows, before and after validation.

A raw row is what the source said, as strings, with its place; `problem` is set where it could not be read at
all (`raw` then keeps the bytes). A kept row is typed and usable. `chosen` is null in a row that came by itself; a row that
came back labelled says why it was asked for (`models/rows.py`).
"""

import pyarrow as pa

_PLACE = [pa.field("row", pa.int64()), pa.field("source", pa.string()), pa.field("line", pa.int64())]
_STRINGS = [pa.field(n, pa.string()) for n in ("id", "label", "timestamp", "prediction", "score", "latency", "chosen")]


def raw_schema(extra: tuple[str, ...]) -> pa.Schema:
    """`row` numbers the window from 0; `line` is the 1-based line (CSV, JSONL) or row (Parquet) in `source`;
    `extra` names the spec's slices and metadata."""
    return pa.schema([
        *_PLACE, pa.field("text", pa.string()), *_STRINGS, *_extra_fields(extra),
        pa.field("problem", pa.string()), pa.field("raw", pa.string()),
    ])  # fmt: skip


def kept_schema(extra: tuple[str, ...]) -> pa.Schema:
    """`content` is the digest that decides a row's split; `label` is the truth, whatever the kind of model has for
    one; null where it is not known."""
    return pa.schema([
        *_PLACE, pa.field("text", pa.string()), pa.field("label", pa.string()), pa.field("id", pa.string()),
        pa.field("timestamp", pa.timestamp("us", tz="UTC")), pa.field("prediction", pa.string()),
        pa.field("score", pa.float64()), pa.field("latency", pa.float64()), *_extra_fields(extra),
        pa.field("content", pa.string()), pa.field("chosen", pa.string()),
    ])  # fmt: skip


def quarantine_schema(extra: tuple[str, ...]) -> pa.Schema:
    """A raw row as it came, and why it was not kept."""
    return raw_schema(extra).append(pa.field("reason", pa.string()))


def _extra_fields(extra: tuple[str, ...]) -> list[pa.Field]:
    return [pa.field(name, pa.string()) for name in extra]
