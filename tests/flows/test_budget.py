"""A run whose training reaches its cap ends with an alert, and a later run goes on with it."""

from typing import Any

import pytest

from errors import OverBudget
from flows.bootstrap import bootstrap
from flows.inspect import read_all_history
from infra.object_store import ObjectStore
from models.contracts import Outcome
from tests.flows.champions import run, trained
from tests.flows.conftest import SPEC, Home, moved
from tests.tiny import sentences

TRAINING = {**SPEC["training"], "epochs": 20, "patience": 100}
SHORT = 0.02
"""Minutes: some steps, and not all of them."""


def allow(home: Home, **policy: Any) -> None:
    home.write_spec(training=TRAINING, policy={"min_rows": 20, **policy})


@pytest.fixture
def champion(home: Home, store: ObjectStore) -> Home:
    trained(home, store)
    home.receive("day-1", moved(600, start=2000))
    return home


@pytest.mark.slow
def test_a_training_stops_at_its_cap_and_goes_on_once_the_cap_is_raised_whatever_came_in_meanwhile(
    champion: Home,
) -> None:
    allow(champion, max_training_minutes=SHORT)
    first = run(champion)
    assert first.outcome is Outcome.ALERTED
    assert first.stopped is not None
    assert f"cap of {SHORT} minutes (policy.max_training_minutes)" in first.headline
    assert first.stopped.step < first.stopped.steps

    champion.receive("day-2", moved(300, start=4000))
    second = run(champion)  # the same spec would stop there again
    assert second.outcome is Outcome.ALERTED
    assert second.stopped is None
    assert first.start.run_id in second.headline

    allow(champion, max_training_minutes=60)
    assert run(champion, dry_run=True).outcome is Outcome.WOULD_RETRAIN
    third = run(champion)
    assert third.outcome is Outcome.RELEASED
    assert third.attempt is not None
    assert third.attempt.candidate.cost.resumed_from_step == first.stopped.step
    assert third.attempt.training_set.new_rows < 600
    assert run(champion).outcome is Outcome.WAITING  # all rows were looked at

    waited, released, alerted, stopped, _ = read_all_history(champion.spec)
    assert stopped.training_minutes == pytest.approx(first.stopped.minutes)
    assert released.training_minutes == pytest.approx(third.attempt.candidate.cost.seconds / 60 - first.stopped.minutes)
    assert [e.retrained for e in (waited, released, alerted, stopped)] == [False, True, False, False]
    assert (released.drift_alpha, released.quality_alpha) == (0, 0)
    assert alerted.drift_alpha > 0


@pytest.mark.slow
def test_what_is_left_of_the_months_minutes_caps_a_training(champion: Home) -> None:
    used = read_all_history(champion.spec)[0].training_minutes
    allow(champion, max_training_minutes=60, training_minutes_a_month=used + SHORT)
    stopped = run(champion).stopped
    assert stopped is not None
    assert stopped.limit == "policy.training_minutes_a_month"
    assert stopped.cap == pytest.approx(SHORT)
    month = sum(entry.training_minutes for entry in read_all_history(champion.spec))
    assert used + SHORT <= month < used + SHORT + 1


@pytest.mark.slow
def test_other_settings_do_not_wait_for_a_training_that_was_stopped(champion: Home) -> None:
    allow(champion, max_training_minutes=SHORT)
    assert run(champion).stopped is not None
    champion.receive("day-2", moved(600, start=4000))
    champion.write_spec(training={**TRAINING, "epochs": 1}, policy={"min_rows": 20, "max_training_minutes": 60})
    report = run(champion)
    assert report.attempt is not None
    assert report.went_on_from is None


@pytest.mark.slow
def test_a_bootstrap_that_reaches_its_cap_says_so_and_goes_on_when_asked_again(home: Home) -> None:
    home.receive("day-0", sentences(600))
    allow(home, max_training_minutes=SHORT)
    with pytest.raises(OverBudget, match=r"Raise policy.max_training_minutes and run again") as caught:
        bootstrap(home.spec)
    allow(home)
    report = bootstrap(home.spec).report
    assert report.candidate.cost.resumed_from_step == caught.value.stopped.step
    assert report.candidate.cost.seconds > 60 * SHORT


@pytest.mark.slow
def test_two_processes_stop_at_the_cap_of_a_run_and_go_on_in_the_next(champion: Home) -> None:
    together = {**TRAINING, "processes": 2}
    champion.write_spec(training=together, policy={"min_rows": 20, "max_training_minutes": SHORT})
    first = run(champion)
    assert first.stopped is not None
    champion.write_spec(training=together, policy={"min_rows": 20})
    second = run(champion)
    assert second.attempt is not None
    assert second.attempt.candidate.cost.resumed_from_step == first.stopped.step
    assert not list((champion.folder / ".upkeep" / "work").glob("training-*"))
