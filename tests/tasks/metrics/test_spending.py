from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import SpecError
from tasks.metrics.spending import YEAR, level

GAPS = st.lists(st.timedeltas(timedelta(minutes=-5), timedelta(days=90)), min_size=1, max_size=60)


@given(GAPS, st.floats(1e-4, 0.5), st.floats(0, 12), st.integers(0, 59))
def test_any_years_levels_sum_to_the_budget_and_one_run(
    gaps: list[timedelta], alpha: float, budget: float, first: int
) -> None:
    levels = [level(alpha, budget, gap) for gap in gaps]
    assert all(0 <= spent <= alpha for spent in levels)
    begun = first % len(gaps)
    within, elapsed = levels[begun], timedelta(0)
    for gap, spent in zip(gaps[begun + 1 :], levels[begun + 1 :], strict=True):
        elapsed += max(gap, timedelta(0))
        if elapsed > YEAR:
            break
        within += spent
    assert within <= budget + levels[begun] + 1e-9


def test_a_daily_run_spends_a_day_of_the_year_and_a_rare_one_no_more_than_alpha() -> None:
    assert level(0.01, 1, timedelta(days=1)) == pytest.approx(1 / 365)
    assert level(0.01, 1, timedelta(hours=1)) == pytest.approx(1 / 365 / 24)
    assert level(0.01, 1, timedelta(days=30)) == 0.01
    assert sum(level(0.01, 1, timedelta(days=1)) for _ in range(365)) == pytest.approx(1)


@pytest.mark.parametrize("gap", [timedelta(0), timedelta(days=-3)])
def test_a_run_that_is_repeated_at_once_or_in_the_past_spends_nothing(gap: timedelta) -> None:
    assert level(0.01, 1, gap) == 0


@pytest.mark.parametrize(
    ("alpha", "budget"), [(0, 1), (1.1, 1), (0.01, -1), (0.01, float("inf")), (0.01, float("nan"))]
)
def test_an_impossible_budget_is_refused(alpha: float, budget: float) -> None:
    with pytest.raises(SpecError, match="budget"):
        level(alpha, budget, timedelta(days=1))
