import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from tasks.metrics.ranking import auroc_gained, measure_auroc, rank


def answers(rows: int, shares: list[float], *, skill: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.choice(len(shares), rows, p=shares)
    return truth, softmax(rng.normal(size=(rows, len(shares))) + skill * np.eye(len(shares))[truth], 1)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=40))
def test_two_labels_have_scikit_learns_auroc_with_ties(rows: list[tuple[bool, int]]) -> None:
    truth, score = np.array([r[0] for r in rows], int), np.array([r[1] for r in rows]) / 4
    found = measure_auroc(rank(truth, np.stack([1 - score, score], 1)))
    if len(set(truth)) == 2:
        assert found.value == pytest.approx(roc_auc_score(truth, score))
        assert 0 <= found.low <= found.value <= found.high <= 1
    else:
        assert (found.low, found.high) == (0, 1)  # nothing is known


@given(st.integers(0, 10_000), st.integers(3, 6))
def test_more_labels_have_scikit_learns_mean_of_one_against_the_rest(seed: int, labels: int) -> None:
    truth, probabilities = answers(60, [1 / labels] * labels, skill=1, rng=np.random.default_rng(seed))
    probabilities = np.round(probabilities, 1)
    each = [roc_auc_score(truth == i, probabilities[:, i]) for i in range(labels) if (truth == i).any()]
    assert measure_auroc(rank(truth, probabilities)).value == pytest.approx(np.mean(each))


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.85, 0.15], [0.5, 0.3, 0.2]])
def test_intervals_hold_the_truth_and_equal_models_do_not_differ(shares: list[float]) -> None:
    rng = np.random.default_rng(3)
    true = rank(*answers(100_000, shares, skill=1.0, rng=rng)).value
    missed, claimed = 0, 0
    for _ in range(200):
        truth, one = answers(200, shares, skill=1.0, rng=rng)
        other = np.where(
            rng.random(200)[:, None] < 0.5, one, softmax(rng.normal(size=one.shape) + np.eye(len(shares))[truth], 1)
        )
        found = measure_auroc(rank(truth, one))
        difference = auroc_gained(rank(truth, one), rank(truth, other), level=0.95)
        missed += not found.low <= true <= found.high
        claimed += not difference.low <= 0 <= difference.high
    assert missed <= 18  # 5 % of 200, and what chance adds in 1 of 100 cases
    assert claimed <= 18


def test_the_variance_of_a_pair_is_delongs() -> None:
    """Against the formula with placement values of all pairs."""
    rng = np.random.default_rng(1)
    truth, one = answers(60, [0.6, 0.4], skill=1, rng=rng)
    two = one + rng.normal(0, 0.1, one.shape)
    placed = []
    for score in (one[:, 1], two[:, 1]):
        won = (score[truth == 1][:, None] > score[truth == 0]) + 0.5 * (score[truth == 1][:, None] == score[truth == 0])
        placed.append((won.mean(1), won.mean(0)))
    positive, negative = (placed[1][i] - placed[0][i] for i in (0, 1))
    variance = positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative)
    parts = rank(truth, two).parts - rank(truth, one).parts
    assert (parts**2).sum() == pytest.approx(variance)


def test_five_rows_of_a_label_that_are_ranked_first_prove_no_perfection() -> None:
    truth = np.array([1] * 5 + [0] * 500)
    probabilities = np.stack([1.0 - truth, truth], 1)
    assert measure_auroc(rank(truth, probabilities)).low < 0.5
    equal = auroc_gained(rank(truth, probabilities), rank(truth, probabilities), level=0.95)
    assert equal.low < -0.5


def test_a_better_ranking_is_shown_to_be_better() -> None:
    rng = np.random.default_rng(5)
    truth, bad = answers(1000, [0.3, 0.3, 0.4], skill=0.5, rng=rng)
    good = softmax(np.log(bad) + np.eye(3)[truth], 1)
    assert auroc_gained(rank(truth, bad), rank(truth, good), level=0.95).low > 0.02
    assert auroc_gained(rank(truth, good), rank(truth, bad), level=0.95).high < -0.02
