"""The two samples that drift compares: rows, outputs of one model, and what else is known of each row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from infra.object_store import ObjectStore
from models.contracts import Scored
from models.rows import META, SLICE
from tasks.metrics.descriptors import describe
from tasks.metrics.words import Words, split_words
from tasks.score_files import read_embeddings, read_probabilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = -1


@dataclass(frozen=True)
class Side:
    """One side of the comparison; all columns are in the rows' order."""

    texts: list[str]
    probabilities: "NDArray[np.float32]"
    embeddings: "NDArray[np.float32]"
    labels: "NDArray[np.int64]"
    """Label numbers; `UNKNOWN` where the truth is not known."""
    rows: "NDArray[np.int64]"
    """Each row's number in its window."""
    slices: Mapping[str, "NDArray[np.object_]"] = field(default_factory=dict)
    metadata: Mapping[str, "NDArray[np.object_]"] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def descriptors(self) -> "Mapping[str, NDArray[np.float64]]":
        return describe(self.texts)

    @cached_property
    def words(self) -> Words:
        return split_words(self.texts)

    @property
    def known(self) -> "NDArray[np.int64]":
        """Label numbers of the rows that have one."""
        return self.labels[self.labels != UNKNOWN]

    def where(self, chosen: "NDArray[np.bool_] | NDArray[np.int64]") -> "Side":
        """The rows of a mask, or of row numbers in their order."""
        numbers = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        return Side(
            [self.texts[i] for i in numbers], self.probabilities[numbers], self.embeddings[numbers],
            self.labels[numbers], self.rows[numbers],
            {name: values[numbers] for name, values in self.slices.items()},
            {name: values[numbers] for name, values in self.metadata.items()},
        )  # fmt: skip


def load_side(scored: Scored, *, labels: tuple[str, ...], chosen: "NDArray[np.int64]", store: ObjectStore) -> Side:
    """The chosen rows (ascending numbers) with their outputs; memory is that of the chosen rows."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(store.get_file(scored.rows))
    extra = [name for name in file.schema_arrow.names if name.startswith((SLICE, META))]
    columns: dict[str, list[Any]] = {name: [] for name in ("row", "text", "label", *extra)}
    first = 0
    for batch in file.iter_batches(columns=list(columns)):
        wanted = chosen[(chosen >= first) & (chosen < first + batch.num_rows)] - first
        for name in columns:
            columns[name] += batch.column(name).take(_indices(wanted)).to_pylist()
        first += batch.num_rows
    index, outputs = {label: i for i, label in enumerate(labels)}, store.get_file(scored.scores.arrays)
    numbers = [UNKNOWN if label is None else index[str(label)] for label in columns["label"]]
    return Side(
        [str(text) for text in columns["text"]], read_probabilities(outputs, rows=chosen),
        read_embeddings(outputs, rows=chosen), np.array(numbers, np.int64), np.array(columns["row"], np.int64),
        {name.removeprefix(SLICE): np.array(columns[name], object) for name in extra if name.startswith(SLICE)},
        {name.removeprefix(META): np.array(columns[name], object) for name in extra if name.startswith(META)},
    )  # fmt: skip


def _indices(wanted: "NDArray[np.int64]") -> object:
    import pyarrow as pa

    return pa.array(wanted)


def sample(rows: int, most: int, rng: np.random.Generator) -> "NDArray[np.int64]":
    """Row numbers, ascending: all of them, or a seeded sample."""
    return np.arange(rows) if rows <= most else np.sort(rng.choice(rows, most, replace=False))
