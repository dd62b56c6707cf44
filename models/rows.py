"""The columns of a window's rows, before and after validation, and what makes two rows the same.

A raw row is what the source said, as strings, with its place; `problem` is set where it could not be read at
all (`raw` then keeps the bytes). A kept row is typed and usable. Slice columns are named `slice:<column>`, metadata
columns `meta:<column>`. `chosen` is null in a row that came by itself; a row that came back labelled says why it was
asked for.
"""

import hashlib
import unicodedata
from enum import StrEnum

import pyarrow as pa

SLICE, META = "slice:", "meta:"
ITSELF = ""
"""The label of a row whose own text is what is to be said."""

_PLACE = [pa.field("row", pa.int64()), pa.field("source", pa.string()), pa.field("line", pa.int64())]
_STRINGS = [pa.field(n, pa.string()) for n in ("id", "label", "timestamp", "prediction", "score", "latency", "chosen")]


class Chosen(StrEnum):
    """Why a row was given to people to label; what came by itself has none of these."""

    RANDOM = "random"
    EARLIER = "random, judged earlier"
    """A run has tested quality by this label already; no champion has been trained on it yet."""
    UNLIKE = "unlike"
    """For being unlike the reference."""
    CORRECTED = "corrected"
    """Labelled anew after a run had judged by its first label: those are the ones that were hard."""


TEACHING = frozenset({Chosen.UNLIKE, Chosen.CORRECTED})
"""Rows that train and measure nothing: any share of right answers among them says nothing of the others."""


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


def normalised(text: str) -> str:
    """The form in which texts are compared: NFKC, case folded, white space squeezed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def content_digest(text: str) -> str:
    """128 bits, as hex, that name a text up to case, white space and Unicode form."""
    return hashlib.blake2b(normalised(text).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def split_of(content: str, *, validation_share: float, test_share: float) -> Split:
    """Where a row belongs, for ever: decided by its content alone, never by the run or the seed."""
    place = int(content[:13], 16) / 16**13
    if place < test_share:
        return Split.TEST
    return Split.VALIDATION if place < test_share + validation_share else Split.TRAIN
