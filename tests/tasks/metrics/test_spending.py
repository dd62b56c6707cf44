from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import SpecError
from tasks.metrics.spending import FIRST_RUNS, YEAR, level

START = datetime(2026, 1, 1, tzinfo=UTC)
GAPS = st.lists(st.timedeltas(timedelta(minutes=-5), timedelta(days=90)), min_size=1, max_size=40)


def levels(gaps: list[timedelta], alpha: float = 0.01, budget: float = 1.0) -> tuple[list[datetime], list[float]]:
    """The times of a bootstrap and of runs these gaps apart, and the level of each run."""
    times = [START]
    for gap in gaps:
        times.append(times[-1] + gap)
    found = [level(alpha, false_alarms_a_year=budget, looks=times[:i], now=times[i]) for i in range(1, len(times))]
    return times[1:], found


@given(GAPS, st.floats(1e-4, 0.5), st.floats(0, 12), st.integers(0, 39))
def test_any_years_levels_sum_to_no_more_than_the_budget(
    gaps: list[timedelta], alpha: float, budget: float, first: int
) -> None:
    times, found = levels([max(gap, timedelta(0)) for gap in gaps], alpha, budget)
    assert all(0 <= spent <= alpha for spent in found)
    begun = times[first % len(times)]
    assert sum(s for at, s in zip(times, found, strict=True) if begun <= at < begun + YEAR) <= budget + 1e-9


@given(GAPS)
def test_a_clock_that_goes_backwards_earns_nothing(gaps: list[timedelta]) -> None:
    _, found = levels(gaps)
    _, forward = levels([max(gap, timedelta(0)) for gap in gaps])
    assert sum(found) <= sum(forward) + 1e-9


def test_a_daily_routine_spends_a_full_purse_first_and_then_a_days_income() -> None:
    _, found = levels([timedelta(days=1)] * 365)
    assert found[:FIRST_RUNS] == pytest.approx([0.01] * FIRST_RUNS)
    assert found[-1] == pytest.approx((1 - FIRST_RUNS * 0.01) / 365)
    assert 0.98 < sum(found) <= 1


def test_a_budget_too_small_for_the_first_runs_keeps_half_of_it_for_the_rest_of_the_year() -> None:
    _, found = levels([timedelta(0), timedelta(0), timedelta(days=365)], alpha=0.5, budget=0.8)
    assert found == pytest.approx([0.4, 0, 0.4])


def test_rare_runs_always_test_at_alpha() -> None:
    assert levels([timedelta(days=30)] * 50)[1] == pytest.approx([0.01] * 50)


@pytest.mark.parametrize(
    ("alpha", "budget"), [(0, 1), (1.1, 1), (0.01, -1), (0.01, float("inf")), (0.01, float("nan"))]
)
def test_an_impossible_budget_is_refused(alpha: float, budget: float) -> None:
    with pytest.raises(SpecError, match="budget"):
        level(alpha, false_alarms_a_year=budget, looks=[START], now=START)
