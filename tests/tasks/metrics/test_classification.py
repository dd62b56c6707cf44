import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from errors import UnmeasuredMetric
from models.contracts import Estimate
from tasks.metrics.classification import accuracy_fell, f1_fell, looks_worse, measure
from tasks.metrics.summed import got_worse


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


def test_no_rows_and_unknown_metrics_are_refused() -> None:
    none, one = np.array([], int), np.array([0])
    for call in (
        lambda: measure("accuracy", none, none, labels=2, seed=1),
        lambda: measure("bleu", one, one, labels=2, seed=1),
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
        measure("macro_f1", truth, np.where(rng.random(400) < accuracy, truth, (truth + 1) % 3), labels=3, seed=1)
        for accuracy in (0.9, 0.7)
    )
    assert f1_fell(bad, good) < 1e-6
    assert f1_fell(good, bad) > 0.999


def test_a_share_that_may_be_anything_is_never_shown_to_have_become_worse() -> None:
    then = Estimate(value=0.95, low=0.92, high=0.98, n=169, method="test")
    for value in (0.0, 0.5):  # one row that is wrong; AUROC of rows of one label
        now = Estimate(value=value, low=0.0, high=1.0, n=1, method="test")
        assert f1_fell(now, then) == f1_fell(then, now) == 1
        assert got_worse("micro_f1", now, then) == got_worse("micro_f1", then, now) == 1
        for metric in ("auroc", "ece"):
            assert looks_worse(metric, now, then) == looks_worse(metric, then, now) == 1
