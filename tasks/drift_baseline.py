"""The side that every look of one champion compares with: sampled, and its texts read, once for all of them."""

import hashlib
import inspect
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import Artifact, DriftBaseline, ModelKind, Reference, Scored, Table
from models.recipe import Training
from tasks.comparable import trained_texts
from tasks.metrics import descriptors, vocabulary, words
from tasks.outputs import select_outputs
from tasks.sides import SAMPLE_ROWS, Reading, Side, load_side, picked_rows, sample

if TYPE_CHECKING:
    from numpy.typing import NDArray


WORDS = "lists of words"
"""A column beside the descriptors."""


@dataclass(frozen=True)
class Before:
    """What the champion was released with: its side, and the words that it had trained on."""

    side: Side
    vocabulary: frozenset[str]


def reader() -> str:
    """Names the code that reads texts: another version of it must not be held against what this one has stored."""
    code = "".join(inspect.getsource(module) for module in (descriptors, words, vocabulary))
    return hashlib.sha256(f"{code} {unicodedata.unidata_version} {pa.__version__}".encode()).hexdigest()


@once("drift baseline")
def prepare_baseline(
    baseline: Scored, reference: Reference, *,
    kind: ModelKind, training: Training, read_by: str, store: ObjectStore,
) -> DriftBaseline:  # fmt: skip
    """`baseline`: the reference's rows that never trained, scored by the champion; `read_by`: what `reader` says."""
    chosen = sample(baseline.rows.rows, SAMPLE_ROWS, np.random.default_rng([kind.seed, 1]))
    sampled = baseline if len(chosen) == baseline.rows.rows else _taken(baseline, chosen, store)
    side = load_side(sampled, kind=kind, chosen=np.arange(len(chosen)), store=store)
    trained = words.split_words(trained_texts(reference, training=training, most=SAMPLE_ROWS, store=store))
    with TemporaryDirectory(prefix="upkeep-") as folder:
        reading, known = Path(folder) / "reading.arrow", Path(folder) / "vocabulary.txt"
        _write_reading(reading, side.reading)
        known.write_text("\n".join(sorted(vocabulary.vocabulary(trained))), "utf-8")
        return DriftBaseline(
            sampled=sampled,
            reading=Artifact.model_validate(store.put_blob("reading", reading)),
            vocabulary=Artifact.model_validate(store.put_blob("vocabulary", known)),
        )


def _taken(baseline: Scored, chosen: "NDArray[np.int64]", store: ObjectStore) -> Scored:
    import pyarrow.parquet as pq

    with TemporaryDirectory(prefix="upkeep-") as folder:
        path = Path(folder) / "rows.parquet"
        pq.write_table(picked_rows(store.get_file(baseline.rows), chosen), path)
        rows = Table.of(store.put_blob("kept", path), rows=len(chosen))
    return Scored(rows=rows, scores=select_outputs(baseline.scores, chosen, store=store))


def load_baseline(prepared: DriftBaseline, *, kind: ModelKind, store: ObjectStore) -> Before:
    everything = np.arange(prepared.sampled.rows.rows)
    side = load_side(prepared.sampled, kind=kind, chosen=everything, store=store)
    known = store.get_file(prepared.vocabulary).read_text("utf-8").split("\n")
    return Before(replace(side, read=_read_reading(store.get_file(prepared.reading))), frozenset(known) - {""})


def _write_reading(path: Path, reading: Reading) -> None:
    batch = pa.record_batch({WORDS: reading.words.lists(), **reading.descriptors})
    with pa.ipc.new_file(path, batch.schema) as file:
        file.write_batch(batch)


def _read_reading(path: Path) -> Reading:
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as file:
        batch = file.get_batch(0)
    described = {name: batch[name].to_numpy() for name in batch.schema.names if name != WORDS}
    return Reading(described, words.Words.of_lists(batch[WORDS]))
