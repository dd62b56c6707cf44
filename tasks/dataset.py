"""What a retraining learns from and is judged on: split by content, replayed against forgetting, leaks removed."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import LeakReport, Reference, Table, TrainingSet
from models.recipe import Training
from models.rows import Split, split_of
from tasks.tables import compares, store_rows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

LEAK_SIMILARITY = 0.8
"""Of the words of both texts: one word may differ in nine."""
EXAMPLES = 3
MOST_MEASURED = 20_000
"""Rows that a model is measured on: an interval of less than a point. More would only be scored, for minutes."""
ROW_GROUP = 65_536
"""Rows that a reader must hold at once, and may pass over at once."""


@task(name="build training set", cache_policy=NO_CACHE)
@once("dataset")
def build_training_set(
    kept: Table, reference: Reference | None, *, training: Training, seed: int, store: ObjectStore
) -> TrainingSet:
    """New rows plus replayed reference rows. Sealed test rows never train, in this run or any other."""
    new = _split(_labelled(kept, store), training)
    old = _split(_labelled(reference.table, store), training) if reference else new.iloc[:0]
    rng = np.random.default_rng(seed)
    replayed = _replay(old, new, Split.TRAIN, training.replay, rng)
    train = _join(new[new.split == Split.TRAIN], replayed, rng)
    test = _sealed(new)
    reference_test = _sealed(old) if reference else test
    train, leaks = _without_leaks(train, _join(test, reference_test, rng))
    validation = _join(
        new[new.split == Split.VALIDATION], _replay(old, new, Split.VALIDATION, training.replay, rng), rng
    )
    fresh = _among(train.content, new.content)
    return TrainingSet(
        train=save_table(train, "train", store), validation=save_table(validation, "validation", store),
        test=save_table(test, "test", store), reference_test=save_table(reference_test, "test", store),
        new_rows=int(fresh.sum()), replayed_rows=int((~fresh).sum()),
        leaks=leaks,
    )  # fmt: skip


@task(name="freeze reference", cache_policy=NO_CACHE)
@once("reference")
def freeze_reference(kept: Table, previous: Reference | None, *, origin: str, store: ObjectStore) -> Reference:
    """Everything that the model is now adapted to; a text that came again keeps its newest row."""
    import pandas as pd

    new = _read(kept, store).assign(origin=origin)
    rows = pd.concat([_read(previous.table, store), new], ignore_index=True) if previous else new
    rows = _keeping_labels(rows).drop_duplicates("content", keep="last")
    return Reference(table=save_table(rows, "reference", store), newest_origin=origin)


@task(name="take baseline", cache_policy=NO_CACHE)
@once("baseline")
def take_baseline(reference: Reference, *, training: Training, store: ObjectStore) -> Table:
    """The rows of the newest accepted window that never trained: on training rows a model is too sure of itself,
    and every fresh window would look shifted."""
    rows = _split(_read(reference.table, store, only=pc.field("origin") == reference.newest_origin), training)
    return save_table(_few(rows[(rows.split != Split.TRAIN) & compares(rows)]), "baseline", store)


def _labelled(table: Table, store: ObjectStore) -> "pd.DataFrame":
    """Each text once: one that came back labelled may have come by itself as well, and then the returned one, which
    comes last, holds."""
    rows = _read(table, store, only=pc.field("label").is_valid())
    return rows.drop_duplicates("content", keep="last")


def _read(table: Table, store: ObjectStore, *, only: pc.Expression | None = None) -> "pd.DataFrame":
    """All rows, or those that are `only`: the others are passed over while reading, and take no memory."""
    import pandas as pd

    return pd.read_parquet(store.get_file(table), filters=only)


def _sealed(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Test rows that may measure. A row that was chosen for being unlike the reference would tilt the measurement of
    both models; where its content says test, it does not train either, and is not used at all."""
    return _few(rows[(rows.split == Split.TEST) & compares(rows)])


def _few(rows: "pd.DataFrame") -> "pd.DataFrame":
    """At most `MOST_MEASURED` rows, chosen by their content and so the same in every run; the rest is not used."""
    if len(rows) <= MOST_MEASURED:
        return rows
    return rows.loc[rows.content.sort_values(kind="stable").index[:MOST_MEASURED]].sort_index()


def _keeping_labels(rows: "pd.DataFrame") -> "pd.DataFrame":
    """A text that comes again without its label keeps the one that somebody gave it, and why that was asked for."""
    twice = rows[rows.content.duplicated(keep=False)]
    known = twice[twice.label.notna()].drop_duplicates("content", keep="last").set_index("content")
    bare = rows.label.isna() & _among(rows.content, known.index.to_series())
    if not bare.any():
        return rows
    carried = {name: rows[name].where(~bare, rows.content.map(known[name])) for name in ("label", "chosen")}
    return rows.assign(**carried)


def _split(rows: "pd.DataFrame", training: Training) -> "pd.DataFrame":
    splits = [
        split_of(c, validation_share=training.validation_share, test_share=training.test_share) for c in rows.content
    ]
    return rows.assign(split=np.array(splits, dtype=object))


def _replay(
    old: "pd.DataFrame", new: "pd.DataFrame", split: Split, share: float, rng: np.random.Generator
) -> "pd.DataFrame":
    """A seeded draw of old rows, `share` for each new one; a text that is among the new rows is not drawn."""
    pool = old[(old.split == split) & ~_among(old.content, new.content)]
    wanted = min(len(pool), round(share * int((new.split == split).sum())))
    return pool.iloc[np.sort(rng.choice(len(pool), wanted, replace=False))]


def _among(some: "pd.Series[str]", others: "pd.Series[str]") -> "NDArray[np.bool_]":
    """Which of `some` are in `others`; pandas' own `isin` takes ten seconds for a million strings."""
    return pc.is_in(pa.array(some), value_set=pa.array(others)).to_numpy(zero_copy_only=False)


def _join(first: "pd.DataFrame", second: "pd.DataFrame", rng: np.random.Generator) -> "pd.DataFrame":
    import pandas as pd

    shared = [column for column in first.columns if column in second.columns]
    rows = pd.concat([first[shared], second[shared]], ignore_index=True)
    return rows.iloc[rng.permutation(len(rows))].reset_index(drop=True)


def _without_leaks(train: "pd.DataFrame", sealed: "pd.DataFrame") -> tuple["pd.DataFrame", LeakReport]:
    """Training rows without those that say nearly the same as a sealed row. None says the same: content decides the side."""
    from tasks.metrics.leaks import SealedTexts

    index = SealedTexts(sealed.text, threshold=LEAK_SIMILARITY)
    near = np.array([index.repeated_by(text) is not None for text in train.text], dtype=bool)
    examples = tuple(text[:120] for text in train.text[near].head(EXAMPLES))
    report = LeakReport(near=int(near.sum()), examples=examples)
    return train[~near].reset_index(drop=True), report


def save_table(rows: "pd.DataFrame", kind: str, store: ObjectStore) -> Table:
    return store_rows(rows.drop(columns="split", errors="ignore"), kind, store, row_group=ROW_GROUP)
