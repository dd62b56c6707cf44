"""The win rate by a judge: its value by hand, and how sure it may be."""

import numpy as np
import pytest
from scipy import stats

from errors import UnmeasuredMetric
from tasks.metrics.judged_wins import compare_by_wins


def test_wins_and_half_of_the_ties_over_all_pairs() -> None:
    found = compare_by_wins([1.0] * 60 + [0.0] * 20 + [0.5] * 20, flipped=0)
    assert found.candidate.value == pytest.approx(0.7) and found.champion.value == pytest.approx(0.3)
    assert found.difference.value == pytest.approx(0.4) and found.candidate.n == 100
    half = 1.984217 * np.array([1.0] * 60 + [0.0] * 20 + [0.5] * 20).std(ddof=1) / 10  # Student's, 99 degrees
    assert (found.candidate.low, found.candidate.high) == pytest.approx((0.7 - half, 0.7 + half), abs=1e-6)
    assert (found.difference.low, found.difference.high) == pytest.approx((0.4 - 2 * half, 0.4 + 2 * half), abs=1e-6)


def test_a_judge_that_always_names_one_place_proves_nothing_and_one_that_sees_ties_does() -> None:
    flipped = compare_by_wins([0.5] * 200, flipped=200)
    ties = compare_by_wins([0.5] * 200, flipped=0)
    assert flipped.candidate.value == ties.candidate.value == 0.5
    coins = 1.96 * 0.5 / np.sqrt(200)
    assert flipped.candidate.low == pytest.approx(0.5 - coins, abs=0.003)
    assert flipped.difference.low < -0.13 < -0.05 < ties.difference.low


def test_flips_have_the_doubt_of_coins_that_are_thrown() -> None:
    """The interval of wins, losses and flips is about as wide as with a real coin for each flip."""
    rng = np.random.default_rng(3)
    certain = [1.0] * 50 + [0.0] * 30
    found = compare_by_wins([*certain, *[0.5] * 80], flipped=80).candidate
    thrown = [compare_by_wins([*certain, *rng.integers(0, 2, 80).astype(float)], flipped=0).candidate
              for _ in range(200)]  # fmt: skip
    width = np.mean([t.high - t.low for t in thrown])
    assert found.high - found.low == pytest.approx(width, rel=0.03)


@pytest.mark.parametrize(("share", "pairs"), [(0.8, 10), (0.9, 20), (0.97, 100)])
def test_a_judge_that_names_nearly_always_the_candidate_proves_no_larger_difference_than_there_is(
    share: float, pairs: int
) -> None:
    rng = np.random.default_rng(4)
    drawn = [compare_by_wins(rng.binomial(1, share, pairs).astype(float).tolist(), flipped=0)
             for _ in range(400)]  # fmt: skip
    too_high = sum(found.difference.low > 2 * share - 1 for found in drawn)
    assert too_high <= stats.binom.ppf(0.999, 400, 0.025)
    certain = compare_by_wins([1.0] * pairs, flipped=0)
    assert certain.difference.low == pytest.approx(max(-1, certain.candidate.low - certain.champion.high))


def test_few_pairs_say_little_and_none_say_nothing() -> None:
    few = compare_by_wins([1.0] * 7, flipped=0)
    assert (few.candidate.low, few.candidate.high) == (0.0, 1.0) and few.difference.low == -1.0
    all_won = compare_by_wins([1.0] * 20, flipped=0)
    assert 0.7 < all_won.candidate.low < 0.9 and all_won.candidate.high == 1.0
    with pytest.raises(UnmeasuredMetric):
        compare_by_wins([], flipped=0)
