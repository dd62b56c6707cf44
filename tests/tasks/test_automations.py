"""The files under infra/automations, as Prefect reads them: what they wait for exists, and what comes twice is done once."""

from uuid import UUID

import pytest
from prefect.events.schemas.automations import EventTrigger

from tasks import events
from tasks.automations import read_automations

DAY = 86400
VALUES = {
    "model": "test",
    "silence": "93600",
    "heartbeats": "540",
    "pending": "21600",
    "maintain": str(UUID(int=1)),
    "monitor": str(UUID(int=2)),
}
TRIGGERS = {
    automation.name.removeprefix("upkeep · test · "): automation.trigger
    for automation in read_automations(VALUES, notify=None)
    if isinstance(automation.trigger, EventTrigger)
}


def test_automations_wait_for_events_of_upkeep_that_there_are() -> None:
    known = {value for value in vars(events).values() if isinstance(value, str) and value.startswith("upkeep.")}
    waited = {name for trigger in TRIGGERS.values() for name in {*trigger.expect, *trigger.after}}
    ours = {name for name in waited if name.startswith("upkeep.")}
    assert ours - known == {"upkeep.objects.created"}  # a store tells of these
    assert ours >= {events.DRIFT, events.QUALITY, events.DEPLOYED}


def test_a_run_whose_heart_beats_or_that_waits_to_be_taken_up_again_is_not_marked_as_stuck() -> None:
    """Of one that has ended Prefect refuses to do so."""
    assert {"prefect.flow-run.heartbeat", "prefect.flow-run.AwaitingRetry"} <= TRIGGERS["stuck run → crashed"].expect


def test_a_run_whose_machine_is_gone_before_its_first_beat_came_is_marked_too() -> None:
    assert {"prefect.flow-run.Running", "prefect.flow-run.heartbeat"} == TRIGGERS["stuck run → crashed"].after


@pytest.mark.parametrize(
    ("name", "each"), [("drift → maintain", "upkeep.window"), ("crashed run → retried", "prefect.resource.id")]
)
def test_a_window_is_taken_up_and_a_crashed_run_is_retried_once_a_day(name: str, each: str) -> None:
    trigger = TRIGGERS[name]
    assert (trigger.threshold, trigger.within.total_seconds(), trigger.for_each) == (1, DAY, {each})
