from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contracts import Outcome
from models.sections import Drift, Policy
from tasks.budget import Levels, since_last_look, spend_levels, spent
from tests.judged import NOW, bootstrapped, entry

DAY = timedelta(days=1)
DRIFT, POLICY = Drift(), Policy()


def levels(*history: object, now: object = NOW, **policy: object) -> Levels:
    return spend_levels(history, drift=DRIFT, policy=Policy(**policy), now=now)


FULL = Levels(drift=DRIFT.alpha, quality=POLICY.p_value)


def daily(days: int, **policy: object) -> Levels:
    """The levels of today, after so many days with a run each."""
    return levels(*(entry(day) for day in range(1, days)), bootstrapped(days), **policy)


def test_the_first_days_test_at_full_strength_and_a_daily_routine_at_what_a_day_affords() -> None:
    assert daily(1) == daily(5) == FULL
    assert daily(30).drift == pytest.approx((0.5 - 5 * 0.01) / 365)
    assert daily(30, false_alarms_a_year=2).drift == pytest.approx((1 - 5 * 0.01) / 365)


def test_weekly_runs_test_at_nearly_full_strength_for_ever() -> None:
    weekly = levels(*(entry(7 * week) for week in range(1, 52)), bootstrapped(364))
    assert weekly.drift == pytest.approx(7 * 0.45 / 365)


def test_a_run_that_waited_one_that_went_on_with_a_training_and_a_rollback_looked_at_nothing() -> None:
    waited, back = entry(1, outcome=Outcome.WAITING), entry(2, kind="rollback", outcome=Outcome.ROLLED_BACK)
    blind = [waited, entry(1.5, went_on=True), back]
    runs = [*(entry(day) for day in range(4, 30)), bootstrapped(30)]
    assert levels(*blind, *runs).drift == levels(*runs).drift == pytest.approx(4 * 0.45 / 365)
    assert since_last_look([*blind, *runs], now=NOW) == 4 * DAY


def test_time_counts_from_start_to_start_however_long_a_run_took() -> None:
    runs = [*(entry(day) for day in range(1, 30)), bootstrapped(30)]
    long = [run.model_copy(update={"finished_at": run.finished_at + 0.9 * DAY}) for run in runs]
    assert levels(*long) == levels(*runs)
    assert since_last_look(long, now=NOW) == DAY


def test_many_runs_at_once_leave_nothing_to_spend() -> None:
    assert levels(*[entry(0)] * 4, bootstrapped(0)).drift == pytest.approx(DRIFT.alpha)
    assert levels(*[entry(0)] * 5, bootstrapped(0)).total == pytest.approx(0, abs=1e-12)


def test_a_clock_that_went_backwards_earns_nothing() -> None:
    assert levels(entry(-1), *[entry(0)] * 5, bootstrapped(0)).total == pytest.approx(0, abs=1e-12)


@given(st.lists(st.one_of(st.floats(0, 0.1), st.floats(0, 30)), max_size=60))
def test_however_often_it_runs_a_year_spends_no_more_than_its_budget(gaps: list[float]) -> None:
    history, now, total = [bootstrapped(0)], NOW, 0.0
    for gap in gaps:
        now += gap * DAY
        if now > NOW + 365 * DAY:
            break
        found = levels(*history, now=now)
        total += found.total
        history.insert(0, entry(0).model_copy(update={"started_at": now, "finished_at": now}))
    assert total <= POLICY.false_alarms_a_year + 1e-9


def test_what_was_spent_is_the_sum_over_the_last_year() -> None:
    runs = [entry(days, drift_alpha=0.01, quality_alpha=0.002) for days in (0, 100, 364, 366)]
    assert spent(runs, now=NOW).drift == pytest.approx(0.03)
    assert spent(runs, now=NOW).quality == pytest.approx(0.006)
    assert spent(runs, now=NOW).total == pytest.approx(0.036)
