"""Waiting for another pool's run: real runs of a real deployment, whose states and whose server's answers are played."""

import secrets
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect import flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled, Completed, Failed

from errors import PoolError
from tasks.pool_runs import run_on_pool

Seconds = Callable[[float], None]


@pytest.fixture
def job(prefect_server: None) -> tuple[str, UUID]:
    """A deployment's name and id."""

    @flow(name="waited")
    def waited(job: str = "") -> None:
        return

    deployment = waited.to_deployment(secrets.token_hex(4))
    return f"waited/{deployment.name}", deployment.apply()  # type: ignore[return-value]


def runs_of(deployed: UUID) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployed])))


def becoming(state: State[Any], deployed: UUID) -> Seconds:
    """What a worker makes of a run while it is waited for."""

    def play(_: float) -> None:
        with get_client(sync_client=True) as client:
            for run in runs_of(deployed):
                client.set_flow_run_state(run.id, state, force=True)

    return play


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (Failed(message="Flow run encountered an exception: no GPU"), "Failed: Flow run encountered an exception: no GPU"),
        (Failed(message="It is broken."), "Failed: It is broken"),
        (Cancelled(), "Cancelled"),
    ],
)  # fmt: skip
def test_a_run_that_failed_or_was_cancelled_is_told_in_sentences_and_not_started_again(
    job: tuple[str, UUID], state: State[Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, deployed = job
    monkeypatch.setattr("tasks.pool_runs.time.sleep", becoming(state, deployed))
    with pytest.raises(PoolError, match=rf"of {name} ended as {told}\. Its page in Prefect has the log"):
        run_on_pool(name, {"job": "s3://bucket/job.json"}, key="k")
    assert [run.parameters for run in runs_of(deployed)] == [{"job": "s3://bucket/job.json"}]


def test_a_server_that_is_away_for_half_an_hour_at_a_time_is_waited_for_and_the_work_is_found_when_it_is_back(
    job: tuple[str, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, deployed = job
    clock, away = [0.0], [True] * 4 + [False] + [True] * 4
    read = SyncPrefectClient.read_flow_run

    def asked(client: SyncPrefectClient, run: UUID) -> FlowRun:
        if not away:
            becoming(Completed(), deployed)(0)
        elif away.pop(0):
            request = httpx.Request("GET", "http://prefect")
            raise (httpx.ConnectError("down") if len(away) % 2 else
                   httpx.HTTPStatusError("busy", request=request, response=httpx.Response(503, request=request)))  # fmt: skip
        return read(client, run)

    def ten_minutes_later(_: float) -> None:
        clock[0] += 600

    monkeypatch.setattr("tasks.pool_runs.time", SimpleNamespace(sleep=ten_minutes_later, monotonic=lambda: clock[0]))
    monkeypatch.setattr(SyncPrefectClient, "read_flow_run", asked)
    run_on_pool(name, {}, key="k")
    away += [True] * 5
    with pytest.raises(
        PoolError, match=r"has not answered for 30 minutes: (down|busy)\. The work goes on; run this again"
    ):
        run_on_pool(name, {}, key="another")
    run_on_pool(name, {}, key="another")
    assert len(runs_of(deployed)) == 2
