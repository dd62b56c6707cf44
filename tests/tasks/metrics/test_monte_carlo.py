import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tasks.metrics.monte_carlo import ENOUGH, sequential_p


class Draws:
    """Uniform numbers that count as reaching at most `share` of the time; remembers how many were asked for."""

    def __init__(self, share: float, seed: int) -> None:
        self.share, self.rng, self.taken, self.largest = share, np.random.default_rng(seed), 0, 0

    def __call__(self, size: int) -> np.ndarray:
        self.taken, self.largest = self.taken + size, max(self.largest, size)
        return self.rng.random(size) < self.share


@given(st.floats(0, 1), st.integers(0, 3000), st.integers(1, 500), st.integers(0, 9))
def test_it_is_a_p_value_that_does_not_depend_on_the_batches(share: float, most: int, at_once: int, seed: int) -> None:
    some, same = Draws(share, seed), Draws(share, seed)
    found = sequential_p(some, most=most, at_once=at_once)
    assert 1 / (1 + most) <= found <= 1
    assert found == sequential_p(same, most=most, at_once=10_000)
    assert some.taken <= most
    assert some.largest <= at_once


@given(st.floats(0, 1), st.integers(0, 9))
def test_small_p_values_are_those_of_all_the_draws(share: float, seed: int) -> None:
    found, every = sequential_p(Draws(share, seed), most=999, at_once=77), Draws(share, seed)(999)
    plain = (1 + every.sum()) / 1000
    assert min(found, ENOUGH / 1000) == pytest.approx(min(plain, ENOUGH / 1000))


@pytest.mark.parametrize("most", [19, 30, 500])
def test_it_is_super_uniform_where_the_observed_value_is_a_draw_like_the_others(most: int) -> None:
    rng, reps = np.random.default_rng(most), 4000
    found = np.array([sequential_p(Draws(rng.random(), seed), most=most, at_once=64) for seed in range(reps)])
    for level in (0.002, 0.01, 0.04, 0.05, 0.2, 0.5, 0.8, 0.95):
        assert (found <= level).sum() <= stats.binom.ppf(0.999, reps, level), level
    assert (found <= 0.2).mean() > 0.15


def test_a_quiet_window_asks_for_few_draws_whatever_the_limit() -> None:
    quiet, drifted = Draws(0.4, 1), Draws(0.0, 1)
    assert 0.2 < sequential_p(quiet, most=10**9, at_once=1000) < 0.6
    assert quiet.taken <= 150
    assert sequential_p(drifted, most=20_000, at_once=1000) == 1 / 20_001
