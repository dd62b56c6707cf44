"""Real flows on the session's Prefect server; work counts as long from a fifth of a second on."""

import logging
import time
from typing import Any

import pytest
from prefect import flow, task
from prefect.client.schemas.objects import Artifact
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from infra import progress_artifact
from infra.progress import bar
from infra.progress_artifact import unshown
from tests.registry.proxy import Fault, Request, proxy
from tests.shown import artifacts

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_artifact, "FIRST_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(progress_artifact, "EVERY_SECONDS", 0.2)


def bars() -> list[Artifact]:
    return [found for found in artifacts() if found.type == "progress"]


def work(total: int | None, *, seconds: float) -> None:
    with bar("scoring", total=total, unit="rows") as advance:
        for _ in range(10):
            time.sleep(seconds / 10)
            advance(100)


def during(body: Any) -> tuple[list[Artifact], Any]:
    """The artifacts that a flow leaves, and its run's id."""
    before = {found.id for found in bars()}

    @flow
    def running() -> Any:
        body()
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        return context.flow_run.id

    run = running()
    return [found for found in bars() if found.id not in before], run


def test_long_work_is_one_artifact_of_its_run_that_ends_at_a_hundred_percent() -> None:
    found, run = during(lambda: work(1000, seconds=1))
    assert [(a.data, a.description, a.flow_run_id) for a in found] == [(100, "scoring: 1,000 of 1,000 rows", run)]


def test_work_in_a_task_is_shown_while_it_is_under_way() -> None:
    seen: list[Any] = []

    @task
    def scoring() -> None:
        with bar("scoring", total=1000, unit="rows") as advance:
            advance(250)
            time.sleep(1)
            seen.extend(found.data for found in bars() if found.data == 25)

    found, _ = during(scoring)
    assert seen == [25]
    assert found[0].task_run_id is not None


def test_work_of_unknown_length_shows_how_much_is_done() -> None:
    found, _ = during(lambda: work(None, seconds=1))
    assert [(a.data, a.description) for a in found] == [(100, "scoring: 1,000 rows")]


def test_short_work_and_work_that_is_to_leave_nothing_and_work_outside_a_run_are_not_shown() -> None:
    def quietly() -> None:
        with unshown():
            work(1000, seconds=0.6)

    assert during(lambda: work(1000, seconds=0.05))[0] == []
    assert during(quietly)[0] == []
    before = len(bars())
    work(1000, seconds=0.6)
    assert len(bars()) == before


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["500", "cut before"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_server_that_fails_does_not_fail_the_work(method: str, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    def plan(request: Request) -> Fault:
        told = "/artifacts/" in request.path and not request.path.endswith("/filter")
        return fault if told and request.method == method else ""

    with proxy(str(PREFECT_API_URL.value())) as (state, url), caplog.at_level(logging.WARNING):
        state.plan = plan
        with temporary_settings({PREFECT_API_URL: f"{url}/api", PREFECT_CLIENT_MAX_RETRIES: 0}):
            found, _ = during(lambda: work(1000, seconds=1))
        assert state.faults > 0
    assert len(found) == (0 if method == "POST" else 1)
    assert "it goes on" in caplog.text
