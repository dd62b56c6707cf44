import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from errors import DataError
from infra.object_store import ObjectStore
from models.contracts import Artifact, DriftReport, DriftSignal, Scores
from models.sections import Drift
from tasks.drift import UNKNOWN, Side, detect_drift, find_signals
from tests.tiny import kept_table, sentences

LABELS = ("negative", "positive")
WORDS = np.array(["a", "so", "the", "film", "plot", "was", "Fine", "dull", "great", "10", "awful!", "HERE"])
POLICY = Drift(max_rows=250, permutations=599)
"""Fewer rows and permutations than by default, for speed: the false-alarm rate holds at any number of either."""


def side(rows: int, rng: np.random.Generator, *, shifted: float = 0.0, by: float = 1.2, labelled: bool = True) -> Side:
    """Gaussian embeddings of 16 numbers; a share of the rows comes from another domain."""
    other = rng.random(rows) < shifted
    embeddings = rng.normal(size=(rows, 16)) + by * other[:, None]
    logits = 2 * rng.normal(size=rows) + by * other
    positive = 1 / (1 + np.exp(-logits))
    texts = [" ".join(WORDS[rng.integers(0, len(WORDS), count)]) for count in rng.integers(2, 9, rows)]
    labels = (rng.random(rows) < positive).astype(np.int64) if labelled else np.full(rows, UNKNOWN)
    return Side(texts, np.stack([1 - positive, positive], 1).astype(np.float32), embeddings.astype(np.float32), labels)


def signals(reference: Side, current: Side, policy: Drift = POLICY, seed: int = 1) -> tuple[DriftSignal, ...]:
    return find_signals(reference, current, label_names=LABELS, policy=policy, seed=seed)


@pytest.mark.parametrize(("rows", "reps"), [(100, 100), (400, 60)])
def test_quiet_windows_alarm_no_more_often_than_alpha_says(rows: int, reps: int) -> None:
    rng = np.random.default_rng(rows)
    bare = POLICY.model_copy(update={"min_auc": 0.5, "min_ks": 0.0})  # the p-values alone, without the floors' help
    alarms = sum(any(s.drifted for s in signals(side(1000, rng), side(rows, rng), bare, seed)) for seed in range(reps))
    assert alarms <= stats.binom.ppf(0.999, reps, bare.alpha)


def test_a_window_with_thirty_per_cent_of_another_domain_is_found_at_two_hundred_rows() -> None:
    rng = np.random.default_rng(7)
    for seed in range(10):
        found = signals(side(1000, rng), side(200, rng, shifted=0.3), Drift(), seed)
        assert "embeddings" in {s.name for s in found if s.drifted}


def test_a_hundred_thousand_rows_with_a_shift_of_dust_do_not_alarm_although_it_is_significant() -> None:
    rng = np.random.default_rng(8)
    found = signals(side(20_000, rng), side(100_000, rng, shifted=1.0, by=0.08), Drift())
    assert any(s.p_value <= s.threshold for s in found)
    assert not any(s.drifted for s in found)


def test_alpha_is_shared_over_the_families_that_were_tested() -> None:
    rng = np.random.default_rng(9)
    for labelled, families in ((True, 4), (False, 3)):
        found = signals(side(200, rng), side(60, rng, labelled=labelled))
        assert sum(s.threshold for s in found) == pytest.approx(POLICY.alpha)
        assert len({s.family for s in found}) == families


def test_labels_that_moved_are_found_and_named() -> None:
    rng = np.random.default_rng(10)
    current = side(300, rng)
    moved = Side(current.texts, current.probabilities, current.embeddings, np.ones(300, np.int64))
    found = next(s for s in signals(side(500, rng), moved) if s.family == "label")
    assert found.drifted
    assert found.effect_name == "total variation"
    assert "positive 47.4% → 100.0%" in found.detail


def test_the_same_seed_gives_the_same_report() -> None:
    rng = np.random.default_rng(11)
    sides = side(400, rng), side(300, rng)
    assert signals(*sides) == signals(*sides)


@pytest.mark.parametrize("rows", [(0, 10), (10, 0)])
def test_an_empty_side_is_refused_and_not_called_quiet(rows: tuple[int, int]) -> None:
    rng = np.random.default_rng(12)
    with pytest.raises(DataError, match="one side is empty"):
        signals(side(rows[0], rng), side(rows[1], rng))


@pytest.mark.parametrize("alpha", [0.0, 1e-9])
def test_a_run_that_may_spend_next_to_nothing_asks_for_no_more_permutations(alpha: float) -> None:
    rng = np.random.default_rng(13)
    found = signals(side(300, rng), side(300, rng, shifted=1.0, by=9.0), POLICY.model_copy(update={"alpha": alpha}))
    assert next(s.method for s in found if s.family == "embedding") == "MMD, 599 permutations"
    assert any(s.drifted for s in found) == (alpha > 0)


def scored(count: int, seed: int, store: ObjectStore, folder: Path) -> Scores:
    rng = np.random.default_rng(seed)
    positive = rng.random(count).astype(np.float32)
    path = folder / f"{seed}.npz"
    embeddings = rng.normal(size=(count, 8)).astype(np.float32)
    np.savez(path, probabilities=np.stack([1 - positive, positive], 1), embeddings=embeddings)
    arrays = Artifact.model_validate(store.put_blob("scores", path))
    return Scores(model_digest="m", arrays=arrays, rows=count, seconds=0, device="cpu")


def test_the_report_reaches_the_store_with_evidentlys_page_and_the_same_p_values(
    store: ObjectStore, tmp_path: Path
) -> None:
    then, now = sentences(120), sentences(300, start=500, noun="entirely different refrigerator")
    now.loc[::3, "label"] = None
    found: DriftReport = detect_drift.fn(
        kept_table(now, store), scored(300, 2, store, tmp_path), kept_table(then, store),
        scored(120, 1, store, tmp_path), labels=LABELS, policy=Drift(max_rows=100), alpha=0.001, seed=3, store=store,
    )  # fmt: skip
    assert found.drifted
    assert (found.reference_rows, found.current_rows, found.compared_rows) == (120, 300, 100)
    assert found.alpha == 0.001
    assert "tested at alpha = 0.001 and not drift.alpha = 0.01" in " ".join(found.notes)
    assert "raised from 999 to 8000" in " ".join(found.notes)
    assert "sample of at most 100 rows" in " ".join(found.notes)
    assert b"<html" in store.get_file(found.evidently_html).read_bytes()[:2000].lower()
    metrics = json.loads(store.get_file(found.evidently_json).read_text())["metrics"]
    by_column = {m["config"]["column"]: m for m in metrics if m["metric_name"].startswith("ValueDrift")}
    assert "label" in by_column
    for signal in found.signals:
        if signal.name in by_column:
            theirs = by_column[signal.name]
            assert theirs["config"]["threshold"] == signal.threshold
            assert theirs["value"] == pytest.approx(signal.p_value, rel=1e-6, abs=1e-300), signal.name
    drifted = sum(m["value"] < m["config"]["threshold"] for m in by_column.values())
    assert found.evidently_share == pytest.approx(drifted / len(by_column))
    embedding = next(s for s in found.signals if s.family == "embedding")
    recorded = {m["config"]["title"]: m["value"] for m in metrics if "Recorded" in m["metric_name"]}
    assert recorded == {f"embeddings: p-value ({embedding.method})": embedding.p_value,
                        f"embeddings: AUC ({embedding.method})": embedding.effect}  # fmt: skip
