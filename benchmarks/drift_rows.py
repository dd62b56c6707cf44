"""Tables of any number of real rows for the drift step's cost: stored as a run would have stored them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.champion import Scored as ScoredCorpus
from benchmarks.corpus import LABELS
from errors import DataError
from infra.object_store import ObjectStore
from models.adapter import Predictions
from models.contracts import Artifact, Reference, Scored, Scores, Table
from models.row_schemas import kept_schema
from models.rows import content_digest
from tasks.score_files import write_scores

AT_ONCE = 8192
BASELINE_SHARE = 0.35
"""Of the reference: its validation and sealed rows, by the spec's defaults."""
MOVED = 0.3
GOLDEN = 0.618


@dataclass(frozen=True)
class Inputs:
    """What `detect_drift` takes."""

    current: Scored
    baseline: Scored
    reference: Reference


def store_inputs(
    home: ScoredCorpus, other: ScoredCorpus, *, rows: int, folder: Path, store: ObjectStore, rng: np.random.Generator
) -> Inputs:
    """A window of so many rows, of which 30 % are of another corpus, and a reference as large.

    A row's text is two sentences of its corpus, which makes hundreds of millions of different ones; its outputs are
    those of the first.
    """
    held_out = round(BASELINE_SHARE * rows)
    pairs = _different(2 * rows, most=len(home) ** 2)
    moved = rng.random(rows) < MOVED
    now = _Rows(home, other, pairs[:rows], moved)
    then = _Rows(home, other, pairs[rows:], np.zeros(rows, bool))
    reference = _store_rows(then, slice(0, rows), folder, store)
    return Inputs(
        current=_store(now, slice(0, rows), folder, store), baseline=_store(then, slice(0, held_out), folder, store),
        reference=Reference(table=reference, newest_origin="bench"),
    )  # fmt: skip


@dataclass(frozen=True)
class _Rows:
    home: ScoredCorpus
    other: ScoredCorpus
    pairs: NDArray[np.int64]
    moved: NDArray[np.bool_]

    def texts(self, part: slice) -> list[str]:
        found = []
        for pair, moved in zip(self.pairs[part].tolist(), self.moved[part].tolist(), strict=True):
            texts = (self.other if moved else self.home).corpus.texts
            found.append(f"{texts[pair % len(self.home) % len(texts)]} {texts[pair // len(self.home) % len(texts)]}")
        return found

    def outputs(self, part: slice) -> Predictions:
        firsts = self.pairs[part] % len(self.home)
        moved = self.moved[part][:, None]
        fields = [
            np.where(moved, getattr(self.other, name)[firsts % len(self.other)], getattr(self.home, name)[firsts])
            for name in ("probabilities", "embeddings")
        ]
        return Predictions(*fields)


def _store(rows: _Rows, part: slice, folder: Path, store: ObjectStore) -> Scored:
    table = _store_rows(rows, part, folder, store)
    path = folder / "scores.arrow"
    write_scores(path, (rows.outputs(piece) for piece in _pieces(part)))
    arrays = Artifact.model_validate(store.put_blob("scores", path))
    scores = Scores(model_digest="bench", arrays=arrays, rows=table.rows, seconds=0, device="cpu")
    return Scored(rows=table, scores=scores)


def _store_rows(rows: _Rows, part: slice, folder: Path, store: ObjectStore) -> Table:
    path, schema = folder / "rows.parquet", kept_schema(())
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        for piece in _pieces(part):
            texts = rows.texts(piece)
            columns = {"row": list(range(piece.start, piece.stop)), "text": texts,
                       "label": [LABELS[i % 2] for i in range(len(texts))],
                       "content": [content_digest(text) for text in texts]}  # fmt: skip
            nothing = [None] * len(texts)
            arrays = [pa.array(columns.get(field.name, nothing), field.type) for field in schema]
            file.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return Table.of(store.put_blob("kept", path), rows=part.stop - part.start)


def _different(count: int, *, most: int) -> NDArray[np.int64]:
    """So many different numbers below `most`, spread over them in no visible order."""
    if count > most:
        raise DataError(f"{count} different pairs were asked for, and the corpus makes {most}")
    step = next(n for n in range(round(GOLDEN * most), most) if math.gcd(n, most) == 1)
    return np.arange(count) * step % most


def _pieces(part: slice) -> Iterator[slice]:
    return (slice(begin, min(begin + AT_ONCE, part.stop)) for begin in range(part.start, part.stop, AT_ONCE))
