"""What a run tells, by what came of it, and what that calls for."""

import pytest

from models.contracts import Outcome, RunReport
from tasks.events import events_of
from tests.tasks.reports import asked, attempt, observation, report_of, run

SEEN = ["upkeep.window.ingested", "upkeep.drift.detected", "upkeep.quality.degraded"]


@pytest.mark.parametrize(
    ("outcome", "names", "calls_for"),
    [
        (Outcome.HELD, SEEN[:1], "nothing"),
        (Outcome.ALERTED, SEEN[:2], "a-person"),
        (Outcome.WOULD_RETRAIN, SEEN, "training"),
        (Outcome.PUBLISHED, SEEN, "a-person"),
        (Outcome.REJECTED, SEEN, "nothing"),
        (Outcome.INSUFFICIENT, SEEN, "nothing"),
        (Outcome.RELEASED, [*SEEN, "upkeep.release.promoted"], "nothing"),
    ],
)
def test_a_run_tells_what_it_saw_and_what_that_calls_for(outcome: Outcome, names: list[str], calls_for: str) -> None:
    report = report_of(outcome)
    assert isinstance(report, RunReport) and report.observation is not None
    told = events_of(report, report.observation.window)
    assert [event.name for event in told] == names
    assert {event.calls_for for event in told if event.name in SEEN} == {calls_for}
    assert len({event.id for event in told}) == len(names)
    assert {event.payload["headline"] for event in told if event.name in SEEN} == {report.headline}


def test_what_is_told_of_two_models_two_runs_or_two_windows_is_not_the_same() -> None:
    report = report_of(Outcome.HELD)
    assert isinstance(report, RunReport) and report.observation is not None
    window = report.observation.window
    starts = (report.start, *(report.start.model_copy(update={name: "another"}) for name in ("model", "run_id")))
    told = {events_of(report.model_copy(update={"start": start}), window)[0].id for start in starts}
    moved = window.model_copy(update={"table": window.table.model_copy(update={"sha256": "another"})})
    assert len(told | {events_of(report, moved)[0].id}) == 4


def test_a_question_to_a_person_is_told_with_its_version_and_its_end_and_drift_by_the_signals_that_moved() -> None:
    asking = asked()
    report = run(observation(accuracy=0.70, gap=0.4), attempt(), asking=asking)
    assert report.observation is not None
    told = {event.name: event for event in events_of(report, report.observation.window)}
    question = told["upkeep.approval.requested"]
    assert question.calls_for == "a-person"
    assert (question.payload["version"], question.payload["expires_at"]) == (2, asking.request.expires_at.isoformat())
    moved = [signal.name for signal in report.observation.drift.signals if signal.drifted]
    assert told["upkeep.drift.detected"].payload["signals"] == moved
    assert 0 < len(moved) < len(report.observation.drift.signals)
