import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tasks.metrics.luck import PASSED, Chosen, less_luck, level_before, surplus

SHARES = st.floats(0.0, 2.0)


@pytest.mark.parametrize("truth", [0.0, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("follows", [0.3, 0.8])
def test_a_test_of_what_was_chosen_is_false_no_more_often_than_its_level(truth: float, follows: float) -> None:
    """Gates' measures that passed, how much of the drop since then comes with them, and drops where nothing changed."""
    rng = np.random.default_rng(1)
    measured = truth + stats.norm.isf(rng.random(400_000) * stats.norm.sf(PASSED - truth))
    drop = follows * (measured - truth) + np.sqrt(1 - follows**2) * rng.standard_normal(len(measured))
    false = float((drop - follows * surplus(measured) > least_telling(0.01, follows)).mean())
    assert false < 0.0105
    if truth == 0:
        assert false > 0.0095  # at the gate's limit it is exact
        assert float((drop > stats.norm.isf(0.01)).mean()) > 0.04  # and without this it would be false so often


def least_telling(level: float, follows: float) -> float:
    """The drop, once luck is off, of which the p-value is `level`; of somebody who passed by so far that none is."""
    low, high = 0.0, 8.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        told = less_luck(float(stats.norm.sf(middle)), Chosen(50.0, follows), spread=1.0) < level
        low, high = (low, middle) if told else (middle, high)
    return high


@given(st.floats(1e-12, 1.0), st.floats(PASSED, 12.0), SHARES)
def test_luck_only_ever_makes_a_drop_less_telling(p_value: float, beyond: float, moves: float) -> None:
    found = less_luck(p_value, Chosen(beyond, moves), spread=2.0)
    assert p_value <= found <= 1


@given(st.floats(PASSED, 12.0), st.floats(0.0, 1.0))
def test_luck_is_at_most_all_that_lay_beyond_the_limit_and_falls_with_what_lies_beyond_it(
    beyond: float, further: float
) -> None:
    assert 0 <= surplus(beyond) <= beyond
    if beyond > surplus(beyond):
        assert surplus(beyond + further) <= surplus(beyond)


@pytest.mark.parametrize("beyond", [2.0, 3.0, 20.0])
@pytest.mark.parametrize("moves", [0.0, 0.5, 1.5])
def test_what_a_test_has_to_reach_comes_out_at_its_level_once_luck_is_off(beyond: float, moves: float) -> None:
    chosen = Chosen(beyond, moves)
    needed = level_before(0.01, chosen, spread=2.0)
    assert needed <= 0.01
    assert less_luck(needed, chosen, spread=2.0) == pytest.approx(0.01, rel=0.01)


def test_who_passed_by_far_or_measured_something_unrelated_owes_little_or_nothing_to_luck() -> None:
    assert less_luck(0.003, Chosen(2.0, 0.0), spread=0.02) == 0.003
    assert less_luck(0.003, Chosen(2.0, 0.01), spread=0.0) == 0.003
    assert less_luck(0.003, Chosen(20.0, 0.005), spread=0.02) < 0.005
    assert Chosen(20.0, 0.01).luck == 0.0


def test_who_just_passed_measured_as_much_too_well_as_one_at_the_limit_does_who_passes() -> None:
    mean = stats.norm.pdf(PASSED) / stats.norm.sf(PASSED)
    assert float(surplus(PASSED)) == pytest.approx(PASSED)
    assert float(surplus(mean)) == pytest.approx(mean, abs=1e-4)
