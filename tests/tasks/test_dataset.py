"""Rows never cross over between training and what is judged, whichever window they came with."""

import itertools
from collections import Counter

import pandas as pd
import pytest

from infra.object_store import ObjectStore
from models.contracts import LeakReport, Reference, Table, TrainingSet
from models.recipe import Training
from models.rows import Split, content_digest, split_of
from tasks import dataset
from tasks.dataset import build_training_set, freeze_reference, take_baseline
from tests.tiny import kept_table, sentences

TRAINING = Training()


def read(table: Table, store: ObjectStore) -> pd.DataFrame:
    return pd.read_parquet(store.get_file(table))


def split(text: str) -> Split:
    shares = {"validation_share": TRAINING.validation_share, "test_share": TRAINING.test_share}
    return split_of(content_digest(text), **shares)


@pytest.fixture
def old(store: ObjectStore) -> Reference:
    return freeze_reference.fn(kept_table(sentences(200), store), None, origin="first", store=store)


def built(rows: pd.DataFrame, reference: Reference | None, store: ObjectStore) -> TrainingSet:
    return build_training_set.fn(kept_table(rows, store), reference, training=TRAINING, seed=1, store=store)


def test_every_labelled_row_lands_where_its_content_says(store: ObjectStore) -> None:
    rows = sentences(200)
    rows.loc[::5, "label"] = None
    found = built(rows, None, store)
    parts = {Split.TRAIN: found.train, Split.VALIDATION: found.validation, Split.TEST: found.test}
    for where, table in parts.items():
        assert {split(text) for text in read(table, store)["text"]} == {where}
    assert sum(table.rows for table in parts.values()) + found.leaks.near == 160
    assert found.reference_test == found.test


def test_replayed_rows_are_old_ones_and_none_is_in_twice(store: ObjectStore, old: Reference) -> None:
    found = built(sentences(100, start=150), old, store)  # 50 of them are in the reference as well
    train = read(found.train, store)["text"]
    fresh = set(sentences(100, start=150)["text"])
    assert train.is_unique
    assert found.new_rows == sum(text in fresh for text in train)
    assert 0 < found.replayed_rows == sum(text not in fresh for text in train) <= 1.5 * found.new_rows
    sealed = {*read(found.test, store)["text"], *read(found.reference_test, store)["text"]}
    chosen_by = read(found.validation, store)["text"]
    assert not sealed & {*train, *chosen_by}
    assert {split(text) for text in train} == {Split.TRAIN}
    assert {split(text) for text in chosen_by} == {Split.VALIDATION}


def test_of_each_part_so_many_old_rows_come_again_for_each_new_one(store: ObjectStore, old: Reference) -> None:
    fresh = kept_table(sentences(100, start=500), store)
    found = build_training_set.fn(fresh, old, training=TRAINING.model_copy(update={"replay": 0.5}), seed=1, store=store)
    new = Counter(split(text) for text in sentences(100, start=500)["text"])
    assert found.leaks.near == 0
    assert (found.new_rows, found.replayed_rows) == (new[Split.TRAIN], round(0.5 * new[Split.TRAIN]))
    assert found.validation.rows == new[Split.VALIDATION] + round(0.5 * new[Split.VALIDATION])


def test_of_a_text_that_came_with_two_labels_the_later_one_is_learned(store: ObjectStore) -> None:
    """It came by itself, and was given back with another label."""
    twice = pd.concat([sentences(20).assign(label="positive"), sentences(20).assign(label="negative")])
    found = built(twice, None, store)
    rows = pd.concat([read(part, store) for part in (found.train, found.validation, found.test)])
    assert len(rows) + found.leaks.near == 20
    assert set(rows["label"]) == {"negative"}


def test_a_row_that_nearly_repeats_a_sealed_one_does_not_train_whichever_window_sealed_that(
    store: ObjectStore, old: Reference
) -> None:
    fresh = sentences(100, start=500)
    sealed = [next(t for t in rows["text"] if split(t) is Split.TEST) for rows in (sentences(200), fresh)]
    said = [next(t for n in itertools.count() if split(t := f"{text} n{n}") is Split.TRAIN) for text in sealed]
    found = built(pd.concat([fresh, pd.DataFrame({"text": said, "label": "positive"})]), old, store)
    assert not set(said) & set(read(found.train, store)["text"])
    assert found.leaks.near == 2
    written_before = {**found.leaks.model_dump(), "exact": 0}
    assert LeakReport.model_validate(written_before) == found.leaks
    assert set(found.leaks.examples) == set(said)
    assert {sealed[0]} <= set(read(found.reference_test, store)["text"])
    assert {sealed[1]} <= set(read(found.test, store)["text"])


def test_the_reference_keeps_the_newest_row_of_a_text_that_came_again(store: ObjectStore, old: Reference) -> None:
    again = sentences(10).assign(label="negative")
    found = freeze_reference.fn(kept_table(again, store), old, origin="second", store=store)
    rows = read(found.table, store)
    assert (len(rows), found.newest_origin) == (200, "second")
    assert set(rows.loc[rows["origin"] == "second", "text"]) == set(again["text"])
    assert (rows.loc[rows["origin"] == "second", "label"] == "negative").all()


def test_the_baseline_is_what_the_newest_window_held_out_however_the_table_is_cut(
    store: ObjectStore, old: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "ROW_GROUP", 32)
    fresh = sentences(100, start=500)
    newest = freeze_reference.fn(kept_table(fresh, store), old, origin="second", store=store)
    rows = read(take_baseline.fn(newest, training=TRAINING, store=store), store)
    assert sorted(rows["text"]) == sorted(text for text in fresh["text"] if split(text) is not Split.TRAIN)


def test_a_huge_window_is_measured_on_a_part_that_is_the_same_in_every_run(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "MOST_MEASURED", 20)
    rows = sentences(400)
    one = read(built(rows, None, store).test, store)
    other = read(built(rows.sample(frac=1, random_state=1), None, store).test, store)
    assert len(one) == 20
    assert set(one["text"]) == set(other["text"])
    assert {split(text) for text in one["text"]} == {Split.TEST}
