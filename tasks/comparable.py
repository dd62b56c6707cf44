"""Which rows of a window may be held against the champion's baseline.

The baseline is the part of the reference that never trained, and what trained is decided by a row's content. Where
traffic repeats itself (a help desk's "thanks"), a window holds contents of every part and the baseline only of its
own: two samples that differ although nothing changed. Then only the window's rows of the baseline's part are compared.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from infra.object_store import ObjectStore
from models.contracts import Reference, Table
from models.rows import Split, split_of
from models.sections import Training

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPEATED_SHARE = 0.05


@dataclass(frozen=True)
class Comparable:
    """Row numbers of a table, ascending; the note says why some were left out, if any were."""

    rows: "NDArray[np.int64]"
    note: str


def comparable_rows(table: Table, reference: Reference, *, training: Training, store: ObjectStore) -> Comparable:
    """All rows, or those whose content lies in the baseline's part, where many repeat what the champion trained on."""
    contents = _contents(table, store)
    trained = {c for c in _contents(reference.table, store) if _trains(c, training)}
    repeated = float(np.mean([c in trained for c in contents])) if contents else 0.0
    if repeated <= REPEATED_SHARE:
        return Comparable(np.arange(len(contents)), "")
    held_out = np.flatnonzero([not _trains(c, training) for c in contents])
    note = (f"{repeated:.0%} of the rows repeat texts that the champion trained on, so only the {len(held_out)} rows "
            "of the part that never trains were compared")  # fmt: skip
    return Comparable(held_out, note)


def trained_texts(reference: Reference, *, training: Training, most: int, store: ObjectStore) -> list[str]:
    """The first `most` texts that the champion may have trained on."""
    import pyarrow.parquet as pq

    found: list[str] = []
    for batch in pq.ParquetFile(store.get_file(reference.table)).iter_batches(columns=["text", "content"]):
        rows = zip(batch["text"].to_pylist(), batch["content"].to_pylist(), strict=True)
        found += [text for text, content in rows if _trains(content, training)]
        if len(found) >= most:
            break
    return found[:most]


def _trains(content: str, training: Training) -> bool:
    shares = {"validation_share": training.validation_share, "test_share": training.test_share}
    return split_of(content, **shares) is Split.TRAIN


def _contents(table: Table, store: ObjectStore) -> list[str]:
    import pyarrow.parquet as pq

    return pq.read_table(store.get_file(table), columns=["content"])["content"].to_pylist()
