"""`upkeep deploy` on a real server: safe to repeat, and never against what a person has set."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId, DeploymentFilterName
from prefect.client.schemas.objects import State
from prefect.events.schemas.automations import Automation
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Crashed
from typer.testing import CliRunner

from errors import PoolError, SpecError
from flows.cli import app
from flows.deploy import Deployed, Options, deploy
from flows.maintain import maintain
from tasks.pool_runs import CRASHES, run_on_pool
from tasks.pools import GPU_POOL, KUBERNETES, PROCESS, ensure_pool, ensure_queue
from tests.flows.conftest import Home

ROOT = Path(__file__).resolve().parents[2]
FLOWS = {"monitor", "maintain", "promote", "rollback", "retrain", "score"}


def put(home: Home, **options: object) -> Deployed:
    (done,) = deploy([home.spec], Options(**{"gpus": 2, **options}))  # type: ignore[arg-type]
    return done


def automations(client: SyncPrefectClient, done: Deployed) -> dict[str, Automation]:
    return {name: found for name in done.automations for found in client.read_automations_by_name(name)}


def test_deploying_twice_makes_everything_once(home: Home) -> None:
    home.write_spec(schedule={"cron": "0 3 * * *", "monitor": "*/5 * * * *"})
    done, again = put(home), put(home, gpus=3)
    assert done == again
    assert set(done.deployments) == {f"{flow}/test" for flow in FLOWS}
    with get_client(sync_client=True) as client:
        named = DeploymentFilter(name=DeploymentFilterName(any_=["test"]))
        assert len(client.read_deployments(deployment_filter=named)) == len(FLOWS)
        assert all(len(client.read_automations_by_name(name)) == 1 for name in done.automations)
        assert client.read_work_pool("upkeep-gpu").concurrency_limit == 3
        assert client.read_work_queue_by_name("test", work_pool_name="upkeep-cpu").concurrency_limit == 1
        look = client.read_deployment_by_name("monitor/test")
        assert [s.schedule.cron for s in look.schedules] == ["*/5 * * * *"]  # type: ignore[union-attr]
        assert look.entrypoint == "flows.monitor.monitor"


def test_a_schedule_that_was_taken_out_of_the_spec_is_gone_after_the_next_deploy(home: Home) -> None:
    home.write_spec(schedule={"cron": "0 3 * * *"})
    put(home)
    home.write_spec()
    put(home)
    with get_client(sync_client=True) as client:
        assert client.read_deployment_by_name("maintain/test").schedules == []


def test_a_schedule_and_a_deployment_that_a_person_paused_stay_paused(home: Home) -> None:
    home.write_spec(schedule={"cron": "0 3 * * *", "monitor": "*/5 * * * *"})
    put(home)
    with get_client(sync_client=True) as client:
        nightly, look = (client.read_deployment_by_name(f"{flow}/test") for flow in ("maintain", "monitor"))
        client.update_deployment_schedule(nightly.id, nightly.schedules[0].id, active=False)
        client.pause_deployment(look.id)
        home.write_spec(schedule={"cron": "0 4 * * *", "monitor": "*/5 * * * *"})
        put(home)
        nightly, look = (client.read_deployment_by_name(f"{flow}/test") for flow in ("maintain", "monitor"))
        assert [(s.schedule.cron, s.active) for s in nightly.schedules] == [("0 4 * * *", False)]  # type: ignore[union-attr]
        assert (nightly.paused, look.paused) == (False, True)
        client.resume_deployment(look.id)
        client.update_deployment_schedule(nightly.id, nightly.schedules[0].id, active=True)
        put(home)
        assert client.read_deployment_by_name("monitor/test").paused is False
        assert client.read_deployment_by_name("maintain/test").schedules[0].active


def test_an_automation_that_a_person_paused_stays_paused(home: Home) -> None:
    done = put(home)
    with get_client(sync_client=True) as client:
        for found in automations(client, done).values():
            client.pause_automation(found.id)
        put(home)
        assert {found.enabled for found in automations(client, done).values()} == {False}
        for found in automations(client, done).values():
            client.resume_automation(found.id)


def test_alerts_go_where_a_block_says_and_nowhere_by_default(home: Home) -> None:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    block = CustomWebhookNotificationBlock(name="ops", url="https://example.invalid/hook")
    block.save("ops", overwrite=True)
    done = put(home)
    with get_client(sync_client=True) as client:
        kinds = {action.type for found in automations(client, done).values() for action in found.actions}
        assert "send-notification" not in kinds
        put(home, notify="custom-webhook/ops")
        alerting = [
            n for n, a in automations(client, done).items() if any(x.type == "send-notification" for x in a.actions)
        ]
    assert {name.split(" · ")[2].split(" → ")[0] for name in alerting} == {"failed run", "no run", "crashed run"}
    with pytest.raises(SpecError, match=r"no such block.*prefect block ls"):
        put(home, notify="slack-webhook/nobody")


def test_every_field_of_every_form_says_what_it_means(home: Home) -> None:
    done = put(home)
    with get_client(sync_client=True) as client:
        for name in done.deployments:
            fields = client.read_deployment_by_name(name).parameter_openapi_schema["properties"]
            assert [field for field, says in fields.items() if not says.get("description")] == [], name


SENSELESS = pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ({"cron": "at noon"}, r"schedule.cron of 'test': 'at noon' is no cron expression; write five fields: minute"),
        ({"cron": "R 3 * * *"}, r"schedule.cron of 'test': 'R 3 \* \* \*' is no cron expression"),
        ({"monitor": "* * * * * *"}, r"schedule.monitor of 'test': '\* \* \* \* \* \*' is no cron expression"),
        ({"timezone": "Mars"}, r"schedule.timezone of 'test': 'Mars' is no IANA time zone; write UTC"),
        ({"cron": "0 3 31 2 *"}, r"schedule.cron of 'test': '0 3 31 2 \*' names a day that never comes"),
    ],
)


@SENSELESS
def test_a_schedule_that_means_nothing_is_refused_with_what_would_do_before_any_model_is_deployed(
    home: Home, schedule: dict[str, str], told: str, tmp_path: Path
) -> None:
    home.write_spec()
    right = tmp_path / "right.yaml"
    right.write_text(home.spec.read_text().replace("name: test", "name: right"))
    home.write_spec(schedule=schedule)
    with pytest.raises(SpecError, match=told) as refused:
        deploy([right, home.spec], Options())
    assert "pydantic" not in str(refused.value)
    with get_client(sync_client=True) as client, pytest.raises(ObjectNotFound):
        client.read_deployment_by_name("maintain/right")


@SENSELESS
def test_check_refuses_a_schedule_that_deploy_would_refuse(home: Home, schedule: dict[str, str], told: str) -> None:
    home.write_spec(schedule=schedule)
    done = CliRunner().invoke(app, ["check", str(home.spec)])
    assert isinstance(done.exception, SpecError)
    assert re.search(told, str(done.exception))


def test_two_specs_that_would_be_taken_for_one_are_refused_before_any_model_is_deployed(
    home: Home, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "spec.yaml"
    other.parent.mkdir()
    other.write_text(home.spec.read_text())
    with pytest.raises(SpecError, match=r"(?s)mine/spec.yaml.*other/spec.yaml.*both name their model 'test'"):
        deploy([home.spec, other], Options())
    other.write_text(home.spec.read_text().replace("name: test", "name: another"))
    with pytest.raises(SpecError, match=r"(?s)mine/spec.yaml.*other/spec.yaml.*/etc/upkeep/spec.yaml.*rename one"):
        deploy([home.spec, other], Options(mounted_at=Path("/etc/upkeep")))
    with get_client(sync_client=True) as client, pytest.raises(ObjectNotFound):
        client.read_deployment_by_name("maintain/another")


@pytest.mark.parametrize("period", ["0.1m", "soon"])
def test_a_period_that_prefect_cannot_wait_for_is_refused(home: Home, period: str) -> None:
    for option in ("silent_after", "stuck_after"):
        with pytest.raises(SpecError, match=rf"'{period}'"):
            put(home, **{option: period})


def test_work_for_a_pool_that_nobody_deployed_says_what_to_do(prefect_server: None) -> None:
    with pytest.raises(PoolError, match=r"no deployment 'retrain/nobody'.*upkeep deploy SPEC.*UPKEEP_GPU_POOL"):
        run_on_pool("retrain/nobody", {}, key="k")


def test_every_option_of_the_command_reaches_what_deploys(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Options] = []
    monkeypatch.setattr("flows.deploy.deploy", lambda specs, options: given.append(options) or [])
    told = ["--gpus", "2", "--pools", "kubernetes", "--mounted-at", "/etc/upkeep", "--silent-after", "2d",
            "--stuck-after", "15m", "--notify", "slack-webhook/ops"]  # fmt: skip
    assert CliRunner().invoke(app, ["deploy", str(home.spec), *told]).exit_code == 0
    assert given == [Options(2, "kubernetes", Path("/etc/upkeep"), "2d", "15m", "slack-webhook/ops")]


def test_a_job_that_was_given_up_after_crashes_is_tried_again_when_it_is_asked_for_again(
    prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real runs of a real deployment; only the worker's part, their states, is played here."""

    @flow(name="job")
    def job() -> None:
        return

    deployed = job.to_deployment("played").apply()
    become: list[State[Any]] = [Crashed(message="gone") for _ in range(CRASHES)] + [Completed()]

    def play(_: float) -> None:
        with get_client(sync_client=True) as client:
            asked = client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployed])))
            waiting = [r for r in asked if r.state and r.state.is_scheduled()]
            for run in waiting:
                client.set_flow_run_state(run.id, become.pop(0), force=True)

    monkeypatch.setattr("tasks.pool_runs.time.sleep", play)
    with pytest.raises(PoolError, match="crashed one after another"):
        run_on_pool("job/played", {}, key="k")
    run_on_pool("job/played", {}, key="k")
    assert become == []


def test_a_job_whose_run_a_person_deleted_is_told_and_sent_anew_when_it_is_asked_for_again(
    prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    @flow(name="job")
    def job() -> None:
        return

    deployed = job.to_deployment("deleted").apply()
    asked = DeploymentFilter(id=DeploymentFilterId(any_=[deployed]))

    def delete(_: float) -> None:
        with get_client(sync_client=True) as client:
            for run in client.read_flow_runs(deployment_filter=asked):
                client.delete_flow_run(run.id)

    def complete(_: float) -> None:
        with get_client(sync_client=True) as client:
            for run in client.read_flow_runs(deployment_filter=asked):
                client.set_flow_run_state(run.id, Completed(), force=True)

    monkeypatch.setattr("tasks.pool_runs.time.sleep", delete)
    with pytest.raises(PoolError, match="was deleted in Prefect while it was waited for"):
        run_on_pool("job/deleted", {}, key="k")
    monkeypatch.setattr("tasks.pool_runs.time.sleep", complete)
    run_on_pool("job/deleted", {}, key="k")


def test_a_kubernetes_pool_is_made_with_the_template_that_asks_for_gpus(prefect_server: None) -> None:
    with get_client(sync_client=True) as client:
        if any(pool.name == GPU_POOL for pool in client.read_work_pools()):
            client.delete_work_pool(GPU_POOL)
        ensure_pool(GPU_POOL, kind=KUBERNETES, limit=4, client=client)
        made = client.read_work_pool(GPU_POOL)
        client.delete_work_pool(GPU_POOL)
    assert (made.type, made.concurrency_limit) == ("kubernetes", 4)
    assert "nvidia.com/gpu" in json.dumps(made.base_job_template)


def test_a_pool_or_queue_that_another_made_a_moment_ago_is_taken_as_it_is(
    prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that starts makes its pool: between our look and our making of it."""
    with get_client(sync_client=True) as client:
        for _ in range(2):  # the second time, the first look finds nothing although all is there
            with monkeypatch.context() as blind:
                for name in ("read_work_pool", "read_work_queue_by_name"):
                    blind.setattr(client, name, blind_once(getattr(client, name)))
                ensure_pool("raced", kind=PROCESS, limit=2, client=client)
                ensure_queue("model", "raced", client=client)
        made, queue = client.read_work_pool("raced"), client.read_work_queue_by_name("model", work_pool_name="raced")
    assert (made.type, made.concurrency_limit, queue.concurrency_limit) == ("process", 2, 1)


def blind_once(read: Callable[..., Any]) -> Callable[..., Any]:
    looks: list[str] = []

    def look(*names: Any, **more: Any) -> Any:
        looks.append(str(names))
        if len(looks) == 1:
            raise ObjectNotFound(Exception("planted"))
        return read(*names, **more)

    return look


def test_a_workers_process_starts_without_torch() -> None:
    modules = ", ".join(f"flows.{flow}" for flow in sorted(FLOWS))
    code = f"import sys, {modules}; print([m for m in ('torch', 'transformers', 'evidently') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_run_is_named_by_its_model_the_day_and_what_made_it(home: Home) -> None:
    from flows.naming import _cause

    assert maintain.flow_run_name is not None
    assert _cause({"dry_run": True, "force": True}, []) == "dry run"
    assert _cause({"force": True, "window": "a"}, []) == "forced"
    assert _cause({"window": "a"}, ["auto-scheduled"]) == "drift"
    assert _cause({}, ["auto-scheduled", "upkeep"]) == "schedule"
    assert _cause({}, []) == "by hand"
