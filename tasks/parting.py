"""Between scoring and looking: which rows of a window may measure the model, and which say how things are now.

Rows that came back labelled belong to an earlier window, which was tested for drift when it came. Those that were
chosen for being unlike the reference neither measure nor show anything: they would look like drift wherever they go.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import Record, Scored, Scores, Table
from tasks.outputs import select_outputs
from tasks.tables import measures, store_rows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


class Parts(Record):
    """The same rows twice, unless labels came back."""

    measuring: Scored
    """For quality: each labelled text once."""
    fresh: Scored
    """For drift: rows that came by themselves; where none did, those that were drawn at random."""


@task(name="part rows", cache_policy=NO_CACHE)
@once("parts")
def part_rows(kept: Table, scores: Scores, *, store: ObjectStore) -> Parts:
    """Where no row measures, all are looked at, without their labels."""
    import pandas as pd

    path = store.get_file(kept)
    if not _has_returned(path):
        whole = Scored(rows=kept, scores=scores)
        return Parts(measuring=whole, fresh=whole)
    frame = pd.read_parquet(path)
    came = frame["chosen"].isna().to_numpy()
    measuring = measures(frame) & ~_said_again(frame)
    if not measuring.any():
        frame, measuring = frame.assign(label=None), np.ones(len(frame), dtype=bool)
    fresh = came if came.any() else measuring
    return Parts(
        measuring=_selected(frame, measuring, scores, store), fresh=_selected(frame, fresh, scores, store)
    )  # fmt: skip


def _has_returned(path: Path) -> bool:
    import pyarrow.parquet as pq

    chosen = pq.read_table(path, columns=["chosen"])["chosen"]
    return chosen.null_count < len(chosen)


def _said_again(frame: "pd.DataFrame") -> "NDArray[np.bool_]":
    """Labelled rows that say the same as a later one: returned rows, which come last, hold."""
    labelled = frame["label"].notna().to_numpy()
    return labelled & frame["content"].where(labelled, frame["row"].astype(str)).duplicated(keep="last").to_numpy()


def _selected(
    frame: "pd.DataFrame", picked: "NDArray[np.bool_]", scores: Scores, store: ObjectStore
) -> Scored:  # fmt: skip
    rows = store_rows(frame[picked], "kept", store)
    return Scored(rows=rows, scores=select_outputs(scores, np.flatnonzero(picked), store=store))
