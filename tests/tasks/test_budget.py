from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contracts import Outcome
from models.sections import Drift, Policy
from tasks.budget import Levels, spend_levels, spent
from tests.judged import NOW, bootstrapped, entry

DAY = timedelta(days=1)
DRIFT, POLICY = Drift(), Policy()


def levels(*history: object, now: object = NOW, **policy: object) -> Levels:
    return spend_levels(history, drift=DRIFT, policy=Policy(**policy), now=now)


def test_half_of_the_year_goes_to_each_test_in_proportion_to_the_time_since_the_last_look() -> None:
    assert levels(entry(1), bootstrapped(90)) == Levels(drift=0.5 / 365, quality=0.5 / 365)
    assert levels(entry(1), bootstrapped(90), false_alarms_a_year=2).drift == pytest.approx(1 / 365)


def test_no_run_tests_at_more_than_the_spec_asks() -> None:
    assert levels(bootstrapped(90)) == Levels(drift=DRIFT.alpha, quality=POLICY.p_value)


def test_a_run_that_waited_and_a_rollback_looked_at_nothing() -> None:
    waited, back = entry(1, outcome=Outcome.WAITING), entry(2, kind="rollback", outcome=Outcome.ROLLED_BACK)
    assert levels(waited, back, entry(4), bootstrapped(90)).drift == pytest.approx(4 * 0.5 / 365)


def test_no_time_or_a_clock_that_went_backwards_spends_nothing() -> None:
    assert levels(entry(0)).total == 0
    assert levels(entry(-1)).total == 0
    assert levels().total == 0


@given(st.lists(st.one_of(st.floats(0, 0.1), st.floats(0, 30)), max_size=60))
def test_however_often_it_runs_a_year_spends_no_more_than_its_budget(gaps: list[float]) -> None:
    history, now, total = [bootstrapped(0)], NOW, 0.0
    for gap in gaps:
        now += gap * DAY
        if now > NOW + 365 * DAY:
            break
        found = levels(*history, now=now)
        total += found.total
        history.insert(0, entry(0).model_copy(update={"started_at": now}))
    assert total <= POLICY.false_alarms_a_year + 1e-9


def test_what_was_spent_is_the_sum_over_the_last_year() -> None:
    runs = [entry(days, drift_alpha=0.01, quality_alpha=0.002) for days in (0, 100, 364, 366)]
    assert spent(runs, now=NOW).drift == pytest.approx(0.03)
    assert spent(runs, now=NOW).quality == pytest.approx(0.006)
    assert spent(runs, now=NOW).total == pytest.approx(0.036)
