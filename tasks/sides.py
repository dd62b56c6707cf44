"""The two samples that drift compares: rows, outputs of one model, and what else is known of each row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from infra.object_store import ObjectStore
from models.contracts import ModelKind, Scored
from models.label_sets import NOTHING, membership
from models.rows import META, SLICE
from tasks.answers import Answers, watched
from tasks.metrics.descriptors import describe
from tasks.metrics.words import Words, split_words
from tasks.outputs import outputs_of
from tasks.score_files import read_halved
from tasks.tables import open_table

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

UNKNOWN = -1
SAMPLE_ROWS = 10_000
"""Rows a side that are compared. Kolmogorov-Smirnov finds a gap of .04 in so many, and the floor is .06: more rows
would cost time and change no verdict."""
ROWS_AT_ONCE = 8192
"""Of a table that is read; more are no faster, and their memory has to be touched."""


@dataclass(frozen=True)
class Reading:
    """What the texts of a side are made of, without any model."""

    descriptors: "Mapping[str, NDArray[np.float64]]"
    words: Words


@dataclass(frozen=True)
class Side:
    """One side of the comparison; all columns are in the rows' order."""

    texts: list[str]
    answers: "Answers"
    """What the model made of each row, as numbers; the last is what slices are watched by."""
    embeddings: "NDArray[np.float16 | np.float32]"
    """Halved as they are stored: of thousands of rows most are looked at once, some at a time."""
    labels: "NDArray[np.int64]"
    """Label numbers; `UNKNOWN` where the truth is not known, or is no label."""
    rows: "NDArray[np.int64]"
    """Each row's number in its window."""
    slices: Mapping[str, "NDArray[np.object_]"] = field(default_factory=dict)
    metadata: Mapping[str, "NDArray[np.object_]"] = field(default_factory=dict)
    predicted: "NDArray[np.int64] | None" = None
    """Label numbers; None where answers are written."""
    several: "NDArray[np.int64] | None" = None
    """rows × labels: 1 where a row has it, 0 where not, `UNKNOWN` where its labels are not known; None where a row has one."""
    read: "Reading | None" = None
    """What is known of the texts from before."""

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def reading(self) -> "Reading":
        return self.read or Reading(describe(self.texts), split_words(self.texts))

    @property
    def descriptors(self) -> "Mapping[str, NDArray[np.float64]]":
        return self.reading.descriptors

    @property
    def words(self) -> Words:
        return self.reading.words

    @property
    def known(self) -> "NDArray[np.int64]":
        """Label numbers of the rows that have one."""
        return self.labels[self.labels != UNKNOWN]

    @property
    def known_several(self) -> "NDArray[np.int64] | None":
        """Of the rows whose labels are known; None where there are none such."""
        found = None if self.several is None else self.several[(self.several != UNKNOWN).all(1)]
        return found if found is not None and len(found) else None

    def where(self, chosen: "NDArray[np.bool_] | NDArray[np.int64]") -> "Side":
        """The rows of a mask, or of row numbers in their order."""
        numbers = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        return Side(
            [self.texts[i] for i in numbers], {name: values[numbers] for name, values in self.answers.items()},
            self.embeddings[numbers], self.labels[numbers], self.rows[numbers],
            {name: values[numbers] for name, values in self.slices.items()},
            {name: values[numbers] for name, values in self.metadata.items()},
            None if self.predicted is None else self.predicted[numbers],
            None if self.several is None else self.several[numbers],
        )  # fmt: skip


def load_side(scored: Scored, *, kind: ModelKind, chosen: "NDArray[np.int64]", store: ObjectStore) -> Side:
    """The chosen rows (ascending numbers) with their outputs; memory is that of the chosen rows."""
    import pyarrow.parquet as pq

    path = store.get_file(scored.rows)
    extra = [name for name in pq.read_schema(path).names if name.startswith((SLICE, META))]
    names = ["row", "text", "label", *extra]
    columns = picked_rows(path, chosen, columns=names).to_pydict()
    texts, outputs = [str(text) for text in columns["text"]], outputs_of(scored.scores, rows=chosen, store=store)
    embeddings = read_halved(store.get_file(scored.scores.arrays), rows=chosen)
    index = {label: i for i, label in enumerate(kind.labels)} if kind.truth == "label" else {}
    return Side(
        texts, watched(texts, outputs, kind), embeddings,
        np.array([index.get(str(label), UNKNOWN) for label in columns["label"]], np.int64),
        np.array(columns["row"], np.int64),
        {name.removeprefix(SLICE): np.array(columns[name], object) for name in extra if name.startswith(SLICE)},
        {name.removeprefix(META): np.array(columns[name], object) for name in extra if name.startswith(META)},
        outputs.numbers.argmax(1) if kind.truth == "label" else None,
        _several(columns["label"], kind.labels) if kind.truth == "labels" else None,
    )  # fmt: skip


def picked_rows(path: Path, chosen: "NDArray[np.int64]", *, columns: list[str] | None = None) -> "pa.Table":
    """The chosen rows (ascending numbers) of a table in a Parquet file, of which some thousand are in memory at once."""
    import pyarrow as pa

    file, found, first = open_table(path), list[pa.RecordBatch](), 0
    for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns, use_threads=False):
        wanted = chosen[(chosen >= first) & (chosen < first + batch.num_rows)] - first
        found.append(batch.take(pa.array(wanted)))
        first += batch.num_rows
    return pa.Table.from_batches(found) if found else file.read(columns=columns)


def _several(cells: list[str | None], labels: tuple[str, ...]) -> "NDArray[np.int64]":
    known = np.array([cell is not None for cell in cells], bool)
    has = membership([NOTHING if cell is None else cell for cell in cells], labels)
    return np.where(known[:, None], has, UNKNOWN)


def sample(rows: int, most: int, rng: np.random.Generator) -> "NDArray[np.int64]":
    """Row numbers, ascending: all of them, or a seeded sample."""
    return np.arange(rows) if rows <= most else np.sort(rng.choice(rows, most, replace=False))
