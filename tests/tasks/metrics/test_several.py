import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from errors import UnmeasuredMetric
from tasks.metrics.calibration import calibrate
from tasks.metrics.classification import wilson
from tasks.metrics.paired import score_interval
from tasks.metrics.several import Several

METRICS = ("micro_f1", "macro_f1", "exact_match", "auroc", "ece")


def answers(rows: int, *, skill: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.random((rows, 4)) < [0.5, 0.3, 0.2, 0.1]
    return truth, (1 / (1 + np.exp(-(rng.normal(size=(rows, 4)) + skill * (2 * truth - 1))))).astype(np.float32)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(8, 60))
def test_values_are_those_of_scikit_learn_and_lie_in_their_intervals(seed: int, rows: int) -> None:
    truth, probabilities = answers(rows, skill=1, rng=np.random.default_rng(seed))
    found, said = Several(truth, probabilities), probabilities >= 0.5
    present = (truth | said).any(0)
    assert found.measure("micro_f1").value == pytest.approx(f1_score(truth, said, average="micro"))
    assert found.measure("exact_match").value == pytest.approx(accuracy_score(truth, said))
    macro = f1_score(truth[:, present], said[:, present], average="macro", zero_division=0)
    assert found.measure("macro_f1").value == pytest.approx(macro)
    ranked = [label for label in range(4) if 0 < truth[:, label].sum() < rows]
    each = [roc_auc_score(truth[:, label], probabilities[:, label]) for label in ranked]
    assert found.measure("auroc").value == pytest.approx(np.mean(each))
    for estimate in map(found.measure, METRICS):
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


@pytest.mark.parametrize("metric", METRICS)
def test_intervals_hold_the_truth_and_equal_models_do_not_differ(metric: str) -> None:
    rng = np.random.default_rng(3)
    true = Several(*answers(100_000, skill=1, rng=rng)).measure(metric).value
    missed, claimed = 0, 0
    for _ in range(200):
        truth, one = answers(200, skill=1, rng=rng)
        noise = rng.normal(size=one.shape) + (2 * truth - 1)
        other = np.where(rng.random((200, 1)) < 0.5, one, 1 / (1 + np.exp(-noise))).astype(np.float32)
        found, second = Several(truth, one), Several(truth, other)
        estimate, difference = found.measure(metric), second.improvement(found, metric, level=0.95)
        missed += not estimate.low <= true <= estimate.high
        claimed += not difference.low <= 0 <= difference.high
    assert missed <= 18  # 5 % of 200, and what chance adds in 1 of 100 cases
    assert claimed <= 18


def test_a_share_of_rows_that_are_right_is_judged_like_any_other_share() -> None:
    """Where all rows on which two models differ are losses, the normal interval of the mean would excuse them too often."""
    truth = np.ones((100, 2), bool)
    fine = np.full((100, 2), 0.9, np.float32)
    worse = fine.copy()
    worse[:4, 1] = 0.1
    champion, candidate = Several(truth, fine), Several(truth, worse)
    assert candidate.measure("exact_match") == wilson(96, 100)
    assert candidate.improvement(champion, "exact_match", level=0.95) == score_interval(0, 4, 100)
    assert champion.improvement(candidate, "exact_match", level=0.95) == score_interval(4, 0, 100)


def test_the_calibration_error_is_that_of_every_decision_and_a_rows_decisions_are_one_observation() -> None:
    truth, probabilities = answers(300, skill=1, rng=np.random.default_rng(4))
    found = Several(truth, probabilities)
    right = ((probabilities >= 0.5) == truth).ravel()
    one_by_one = calibrate(right, np.maximum(probabilities, 1 - probabilities).ravel())
    assert found.measure("ece").value == pytest.approx(one_by_one.value)
    repeated = Several(np.repeat(truth, 5, axis=1), np.repeat(probabilities, 5, axis=1))
    same, more = found.measure("ece"), repeated.measure("ece")
    assert (more.value, more.low, more.high) == pytest.approx((same.value, same.low, same.high))


def test_rows_without_any_label_that_get_none_are_right_and_no_rows_are_refused() -> None:
    nothing = Several(np.zeros((20, 3), bool), np.zeros((20, 3), np.float32))
    assert nothing.measure("micro_f1").value == nothing.measure("exact_match").value == 1
    assert nothing.measure("auroc").low == 0  # not known
    for metric in METRICS:
        with pytest.raises(UnmeasuredMetric):
            nothing.where(np.zeros(20, bool)).measure(metric)
