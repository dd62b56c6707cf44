from pathlib import Path

import numpy as np
import pytest

from infra.object_store import ObjectStore
from models.contracts import Reference, Scored
from models.recipe import Training
from tasks import drift, drift_baseline
from tasks.comparable import trained_texts
from tasks.drift_baseline import load_baseline, prepare_baseline, reader
from tasks.metrics.vocabulary import vocabulary
from tasks.metrics.words import split_words
from tasks.sides import load_side, sample
from tests.tasks.test_drift import KIND, detected, scored
from tests.tiny import kept_table, sentences

ROWS, SAMPLED = 200, 60


@pytest.mark.parametrize("most", [SAMPLED, ROWS])
def test_a_prepared_baseline_is_the_sample_that_was_drawn(
    most: int, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift_baseline, "SAMPLE_ROWS", most)
    then = sentences(ROWS).assign(**{"slice:shop": ["a", "b"] * (ROWS // 2), "meta:stars": range(ROWS)})
    baseline = Scored(rows=kept_table(then, store), scores=scored(ROWS, 1, store, tmp_path))
    reference = Reference(table=kept_table(sentences(ROWS, start=9000), store), newest_origin="w")
    prepared = prepare_baseline(baseline, reference, kind=KIND, training=Training(), read_by=reader(), store=store)
    before = load_baseline(prepared, kind=KIND, store=store)

    chosen = sample(ROWS, most, np.random.default_rng([KIND.seed, 1]))
    drawn = load_side(baseline, kind=KIND, chosen=chosen, store=store)
    assert before.side.texts == drawn.texts == [then["text"][row] for row in chosen]
    for now, stored in ((drawn.rows, before.side.rows), (drawn.labels, before.side.labels),
                        (drawn.embeddings, before.side.embeddings), (drawn.predicted, before.side.predicted)):  # fmt: skip
        np.testing.assert_array_equal(now, stored)
    assert before.side.slices["shop"].tolist() == drawn.slices["shop"].tolist()
    assert before.side.metadata["stars"].tolist() == drawn.metadata["stars"].tolist()
    assert before.side.words.holding().tolist() == drawn.words.holding().tolist()
    for name, values in drawn.descriptors.items():
        np.testing.assert_array_equal(values, before.side.descriptors[name])
    texts = trained_texts(reference, training=Training(), most=most, store=store)
    assert before.vocabulary == vocabulary(split_words(texts))
    assert before.vocabulary


def test_a_second_window_finds_the_baseline_prepared_unless_texts_are_read_otherwise_by_now(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for start in (500, 900):
        detected(sentences(120), sentences(100, start=start), store, tmp_path)
    monkeypatch.setattr(drift, "reader", lambda: "a later version of the code")
    detected(sentences(120), sentences(100, start=1300), store, tmp_path)
    assert [found for stage, _, found in store.timings if stage == "drift baseline"] == [False, True, False]
