import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from errors import UnmeasuredMetric
from tasks.metrics.classification import accuracy_fell, f1_fell, measure, paired_difference, rows_needed


def answers(truth: np.ndarray, accuracy: float, rng: np.random.Generator, labels: int) -> np.ndarray:
    return np.where(rng.random(len(truth)) < accuracy, truth, (truth + rng.integers(1, labels, len(truth))) % labels)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_values_are_those_of_scikit_learn_and_lie_in_their_intervals(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    f1 = measure("macro_f1", truth, predicted, labels=4, seed=1)
    assert f1.value == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    accuracy = measure("accuracy", truth, predicted, labels=4, seed=1)
    assert accuracy.value == pytest.approx((truth == predicted).mean())
    for found in (f1, accuracy):
        assert 0 <= found.low <= found.value <= found.high <= 1


def test_a_few_rows_without_a_mistake_prove_no_perfection() -> None:
    truth = np.array([0, 1, 0, 1, 0])
    assert measure("macro_f1", truth, truth, labels=2, seed=1).low < 0.5
    assert measure("accuracy", truth, truth, labels=2, seed=1).low < 0.6


def test_two_models_that_always_agree_still_have_an_interval() -> None:
    truth = np.zeros(100, int)
    found = paired_difference("accuracy", truth, truth, truth, labels=2, seed=1)
    assert found.value == 0
    assert found.low == pytest.approx(-0.0369, abs=1e-3)
    assert found.high == -found.low
    assert "rule of three" in found.method


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_the_paired_interval_covers_the_truth_about_as_often_as_it_says(metric: str) -> None:
    rng, labels, reps, covered = np.random.default_rng(5), 3, 200, 0
    for seed in range(reps):
        truth = rng.integers(0, labels, 300)
        champion, candidate = (answers(truth, accuracy, rng, labels) for accuracy in (0.8, 0.88))
        found = paired_difference(metric, truth, champion, candidate, labels=labels, seed=seed)
        covered += found.low <= 0.08 <= found.high
    assert covered >= stats.binom.ppf(0.001, reps, 0.935)  # the percentile bootstrap is a little short


def test_a_wider_level_gives_a_wider_interval_and_the_seed_decides_it() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 500)
    sides = answers(truth, 0.8, rng, 2), answers(truth, 0.8, rng, 2)
    narrow, again, wide = (
        paired_difference("accuracy", truth, *sides, labels=2, seed=3, level=level) for level in (0.95, 0.95, 0.999)
    )
    assert narrow == again
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_hundred_and_fifty_labels_fit_into_memory() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 150, 5000)
    found = paired_difference("macro_f1", truth, answers(truth, 0.7, rng, 150), truth, labels=150, seed=1)
    assert found.value == pytest.approx(0.3, abs=0.03)


def test_no_rows_and_unknown_metrics_are_refused() -> None:
    none, one = np.array([], int), np.array([0])
    for call in (
        lambda: measure("accuracy", none, none, labels=2, seed=1),
        lambda: paired_difference("accuracy", none, none, none, labels=2, seed=1),
        lambda: measure("bleu", one, one, labels=2, seed=1),
        lambda: paired_difference("bleu", one, one, one, labels=2, seed=1),
        lambda: rows_needed(0, discordance=0.1),
    ):
        with pytest.raises(UnmeasuredMetric):
            call()


def test_that_accuracy_fell_is_fishers_test_at_any_size() -> None:
    assert accuracy_fell(8, 10, 9, 10) == pytest.approx(0.5)
    assert accuracy_fell(279, 400, 388, 400) < 1e-20
    assert accuracy_fell(900_000, 1_000_000, 900_000, 1_000_000) > 0.4
    assert accuracy_fell(10, 10, 5, 10) > 0.99


def test_macro_f1_fell_only_where_it_is_lower() -> None:
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 3, 400)
    good, bad = (
        measure("macro_f1", truth, answers(truth, accuracy, rng, 3), labels=3, seed=1) for accuracy in (0.9, 0.7)
    )
    assert f1_fell(bad, good) < 1e-6
    assert f1_fell(good, bad) > 0.999


def test_the_rows_needed_give_an_interval_of_that_width() -> None:
    rows, rng = rows_needed(0.05, discordance=0.2), np.random.default_rng(6)
    assert rows == 308
    truth = np.zeros(rows, int)
    order = rng.permutation(rows)
    champion, candidate = (np.isin(np.arange(rows), part).astype(int) for part in (order[:31], order[31:62]))
    found = paired_difference("accuracy", truth, champion, candidate, labels=2, seed=1)
    assert (found.high - found.low) / 2 == pytest.approx(0.05, abs=0.004)
    assert rows_needed(0.05, discordance=0) == 74
