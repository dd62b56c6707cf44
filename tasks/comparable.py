"""Which rows of a window may be held against the champion's baseline.

The baseline is the part of the reference that never trained, and what trained is decided by a row's content. Where
traffic repeats itself (a help desk's "thanks"), a window holds contents of every part and the baseline only of its
own: two samples that differ although nothing changed. Then only the window's rows of the baseline's part are compared.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from infra.object_store import ObjectStore
from models.contracts import Reference, Table
from models.recipe import Training
from tasks.formats import count
from tasks.tables import open_table

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

REPEATED_SHARE = 0.05


@dataclass(frozen=True)
class Comparable:
    """Row numbers of a table, ascending; the note says why some were left out, if any were."""

    rows: "NDArray[np.int64]"
    note: str


def comparable_rows(table: Table, reference: Reference, *, training: Training, store: ObjectStore) -> Comparable:
    """All rows, or those whose content lies in the baseline's part, where many repeat what the champion trained on and any
    lies there."""
    import pyarrow.compute as pc

    contents, held = _contents(table, store), _contents(reference.table, store)
    trained = held.filter(_trains(held, training))
    repeated = pc.mean(pc.is_in(contents, value_set=trained).cast("int64")).as_py() or 0.0
    if repeated <= REPEATED_SHARE:
        return Comparable(np.arange(len(contents)), "")
    held_out = np.flatnonzero(~_trains(contents, training).to_numpy())
    if not len(held_out):  # by chance, of a handful of rows: a window by time will never have more
        return Comparable(np.arange(len(contents)), f"{repeated:.0%} of the rows repeat texts that the champion trained on, and "
                          "may look moved only because of that: there are no others")  # fmt: skip
    note = (f"{repeated:.0%} of the rows repeat texts that the champion trained on, so only the {count(len(held_out))} rows "
            "of the part that never trains were compared")  # fmt: skip
    return Comparable(held_out, note)


def trained_texts(reference: Reference, *, training: Training, most: int, store: ObjectStore) -> list[str]:
    """The first `most` texts that the champion may have trained on."""
    found: list[str] = []
    for batch in open_table(store.get_file(reference.table)).iter_batches(batch_size=most, columns=["text", "content"]):
        found += batch["text"].filter(_trains(batch["content"], training)).to_pylist()
        if len(found) >= most:
            break
    return found[:most]


def _trains(contents: "pa.Array | pa.ChunkedArray", training: Training) -> "pa.BooleanArray | pa.ChunkedArray":
    """`split_of(…) is Split.TRAIN` of every content at once: hex digits of one length compare as their numbers do."""
    import pyarrow.compute as pc

    first = math.ceil((training.test_share + training.validation_share) * 16**13)
    return pc.greater_equal(contents, f"{first:013x}")


def _contents(table: Table, store: ObjectStore) -> "pa.ChunkedArray":
    import pyarrow.parquet as pq

    # An empty table that pandas wrote has no type for its strings.
    found = pq.read_table(store.get_file(table), columns=["content"], pre_buffer=False, use_threads=False)
    return found["content"].cast("string")
