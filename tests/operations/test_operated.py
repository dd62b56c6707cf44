"""The whole of it as it runs in production: schedule, event, GPU pool, a person's approval, on a real server."""

import json
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.flows.conftest import moved
from tests.operations.conftest import MANY, Model, Operated
from tests.operations.webhook import Webhook, listening
from tests.tiny import sentences

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SILENT = 30
"""Seconds."""


def post(operated: Operated, *events: dict[str, Any]) -> None:
    """As a store's notification or another system would tell: plain HTTP."""
    whole = [{"occurred": datetime.now(UTC).isoformat(), "id": str(uuid4()), **event} for event in events]
    httpx.post(f"{operated.url}/events", json=whole, timeout=30).raise_for_status()


@pytest.fixture
def told() -> Iterator[Webhook]:
    with listening() as webhook:
        yield webhook


def webhook(operated: Operated, address: str) -> str:
    """The name of a notification block that posts a notification's subject there."""
    with temporary_settings({PREFECT_API_URL: operated.url}):
        CustomWebhookNotificationBlock(name="ops", url=address, json_data={"text": "{{subject}}"}).save(
            "ops", overwrite=True
        )
    return "custom-webhook/ops"


def champion(model: Model) -> int:
    found: int = json.loads(model.upkeep("status", "--json"))["champion"]["entry"]["version"]
    return found


def test_from_a_schedule_over_drift_and_a_retraining_on_the_gpu_pool_to_an_approved_champion(
    operated: Operated, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Model(operated, "one", sentences(600), schedule={"cron": "0 3 * * *", "monitor": "* * * * *"},
                  release={"approval": {"expires": "7d"}})  # fmt: skip
    model.receive("day-1", moved(600, start=2000))

    first = operated.completed("monitor/one")[0]
    assert re.fullmatch(r"one · \d{4}-\d\d-\d\d · schedule", first.name)
    (run, *others) = operated.completed("maintain/one")
    assert others == []
    assert re.fullmatch(r"one · \d{4}-\d\d-\d\d · drift", run.name)
    (training,) = operated.runs("retrain/one")
    assert training.work_pool_name == "upkeep-gpu"
    assert training.state is not None
    assert training.state.is_completed()

    versions = model.upkeep("versions")
    assert "waits until" in versions
    assert champion(model) == 1
    operated.ended(operated.ask("promote/one", why="seen in the UI"))
    assert champion(model) == 2
    assert "all fit" in model.upkeep("audit")
    operated.pause("monitor/one")  # a look a minute would cost the other tests' events their database

    looks = [look.end_time for look in operated.runs("monitor/one") if look.end_time and look.end_time < run.created]
    assert run.start_time is not None
    seconds = (run.start_time - max(looks)).total_seconds()
    with capsys.disabled():
        sys.stderr.write(f"\n   from the look that told of drift to the start of maintenance: {seconds:.1f} s\n")


def test_a_hundred_duplicate_events_make_one_retraining(operated: Operated) -> None:
    model = Model(operated, "two", sentences(600))
    model.receive("day-1", moved(600, start=2000))
    operated.ended(operated.ask("monitor/two"))
    operated.completed("maintain/two")
    window = operated.runs("maintain/two")[0].parameters["window"]
    resource = {"prefect.resource.id": "upkeep.model.two", "upkeep.window": window, "upkeep.calls-for": "training"}
    names = ["upkeep.drift.detected", "upkeep.quality.degraded"]
    post(operated, *({"event": names[i % 2], "resource": resource} for i in range(100)))
    late = operated.ended(operated.ask("maintain/two", window=window))  # and one that was delivered a second time
    assert late.state is not None
    assert late.state.is_completed()
    assert len(operated.runs("maintain/two")) == 2
    assert len(operated.runs("retrain/two")) == 1
    assert [run["kind"] for run in json.loads(model.upkeep("history", "--json"))] == ["maintain", "bootstrap"]


def test_new_objects_that_a_store_tells_of_are_looked_at_and_many_rows_are_scored_on_the_gpu_pool(
    operated: Operated,
) -> None:
    model = Model(operated, "three", sentences(600))
    model.receive("day-1", sentences(MANY, start=1000))
    created = {"event": "upkeep.objects.created", "resource": {"prefect.resource.id": "upkeep.model.three"}}
    post(operated, *[created] * 5)
    operated.completed("monitor/three")
    assert len(operated.runs("monitor/three")) == 1
    (scoring,) = operated.runs("score/three")
    assert scoring.work_pool_name == "upkeep-gpu"
    assert json.loads(model.upkeep("history", "--json"))[0]["outcome"] == "held"


def test_a_run_that_fails_is_told_where_the_notification_block_says(operated: Operated, told: Webhook) -> None:
    model = Model(operated, "four", sentences(600))
    model.upkeep("deploy", "--gpus", "1", "--notify", webhook(operated, told.address))
    model.receive("day-1", sentences(120, start=1000).assign(label="sideways"))
    failed = operated.ended(operated.ask("maintain/four"))
    assert failed.state is not None
    assert failed.state.is_failed()
    operated.until("the alert arrives", lambda: told.bodies)
    assert f"{failed.name} failed" in told.bodies[0]


def test_a_model_that_no_run_maintains_for_too_long_is_told_of_once_and_once_more_after_the_next_run_that_begins(
    operated: Operated, told: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Model(operated, "five", sentences(600))
    model.upkeep("deploy", "--gpus", "1", "--silent-after", "0.5m", "--notify", webhook(operated, told.address))
    begun = time.monotonic()
    operated.until("the alert arrives", lambda: told.bodies)
    first = time.monotonic() - begun
    time.sleep(3 * SILENT)  # an alert that repeats would come by now
    assert [body for body in told.bodies if "five has not been maintained" not in body] == []
    assert len(told.bodies) == 1

    run = operated.ended(operated.ask("maintain/five"))
    assert run.start_time is not None
    operated.until("the second alert arrives", lambda: len(told.bodies) > 1)
    second = (datetime.now(UTC) - run.start_time).total_seconds()
    assert first >= SILENT - 5  # the command itself ends some seconds after the time has begun to run
    assert second >= SILENT
    with capsys.disabled():
        sys.stderr.write(f"\n   an alert after {SILENT} s of silence came {first:.1f} s after upkeep deploy, "
                         f"{second:.1f} s after a run began\n")  # fmt: skip

    time.sleep(3 * SILENT)
    before = len(told.bodies)
    deployment = {
        "prefect.resource.id": f"prefect.deployment.{run.deployment_id}",
        "prefect.resource.role": "deployment",
    }
    begun_only = {"prefect.resource.id": f"prefect.flow-run.{uuid4()}"}  # the event of its end was lost
    post(operated, {"event": "prefect.flow-run.Running", "resource": begun_only, "related": [deployment]})
    operated.until("the alert of a run whose end nobody heard of", lambda: len(told.bodies) > before)
