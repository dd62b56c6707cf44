import pytest

from models.contracts import AliasEntry, Outcome, RunReport, RunStart
from tasks.entries import history_entry, move_entry, training_minutes
from tests.judged import NOW, retrained
from tests.tasks.reports import report_of
from tests.tasks.test_waiting import STOPPED


def test_a_rollback_spends_nothing_although_it_carries_the_last_entry_on() -> None:
    last = retrained(1, minutes=12, drift_alpha=0.01, quality_alpha=0.01, window_digest="rows", sequence=7,
                     asked_for_labels=True, stopped=STOPPED, went_on=True)  # fmt: skip
    entry = AliasEntry.model_construct(version=1, run_id="back", why="it was worse")
    back = move_entry(entry, RunStart.model_construct(kind="rollback", started_at=NOW, flow_run=""), last, at=NOW)
    assert back.outcome is Outcome.ROLLED_BACK
    assert (back.drift_alpha, back.quality_alpha, back.training_minutes) == (0, 0, 0)
    assert not back.retrained
    assert (back.sequence, back.asked_for_labels, back.stopped, back.went_on) == (8, False, None, False)
    assert back.cursor == last.cursor


def test_a_run_that_went_on_with_a_training_pays_for_its_own_minutes_and_for_no_test_again() -> None:
    report = report_of(Outcome.RELEASED)
    assert isinstance(report, RunReport) and report.attempt and report.observation
    window, whole = report.observation.window, training_minutes(report.attempt.candidate)
    alone = history_entry(report, window, None)
    assert (alone.training_minutes, alone.drift_alpha) == (whole, report.observation.drift.alpha)
    assert (alone.went_on, alone.retrained, alone.champion_version) == (False, True, 2)
    before = STOPPED.model_copy(update={"minutes": whole / 2})
    went_on = history_entry(report.model_copy(update={"went_on_from": before}), window, None)
    assert (went_on.training_minutes, went_on.drift_alpha) == (pytest.approx(whole / 2), 0)
    assert went_on.went_on
    again = report.model_copy(update={"went_on_from": before, "stopped": STOPPED, "attempt": None, "release": None})
    stopped = history_entry(again, window, None)
    assert stopped.training_minutes == pytest.approx(STOPPED.minutes - whole / 2)
    assert (stopped.retrained, stopped.champion_version) == (False, 1)
