"""`upkeep deploy` on a real server: safe to repeat, and never against what a person has set."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prefect import flow, get_client
from prefect.client.orchestration import ServerType, SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId, DeploymentFilterName
from prefect.client.schemas.objects import State
from prefect.events.schemas.automations import Automation
from prefect.exceptions import ObjectNotFound
from prefect.server.schemas.schedules import CronSchedule
from prefect.states import Completed, Crashed
from typer.testing import CliRunner

from errors import PoolError, SpecError
from flows import naming
from flows.cli import app
from flows.deploy import Deployed, Options, deploy
from flows.maintain import maintain
from flows.monitor import monitor
from flows.retrain import retrain
from flows.schedules import looks, nightly, require_schedules
from flows.score import score
from infra.settings import DEPLOYED
from models.spec import read_spec
from tasks.automations import remembers_for
from tasks.pool_runs import run_on_pool
from tasks.pools import GPU_POOL, KUBERNETES, PROCESS, ensure_pool, ensure_queue
from tests.flows.conftest import Home

ROOT = Path(__file__).resolve().parents[2]
FLOWS = {"monitor", "maintain", "promote", "rollback", "retrain", "score"}


def put(home: Home, **options: object) -> Deployed:
    (done,) = deploy([home.spec], Options(**{"gpus": 2, **options}))  # type: ignore[arg-type]
    return done


def automations(client: SyncPrefectClient, done: Deployed) -> dict[str, Automation]:
    return {name: found for name in done.automations for found in client.read_automations_by_name(name)}


def ops() -> str:
    """The name of a block that tells people."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    CustomWebhookNotificationBlock(name="ops", url="https://example.invalid/hook").save("ops", overwrite=True)
    return "custom-webhook/ops"


def test_deploying_twice_makes_everything_once_and_anew_what_was_deleted(home: Home) -> None:
    home.write_spec(schedule={"cron": "0 3 * * *", "monitor": "*/5 * * * *"})
    done = put(home)
    with get_client(sync_client=True) as client:
        client.delete_work_pool("upkeep-gpu")
    again = put(home, gpus=3)
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
        assert client.read_deployment_by_name("retrain/test").work_pool_name == "upkeep-gpu"
        assert client.read_work_pool("upkeep-cpu").concurrency_limit is None


def test_each_deployment_runs_where_the_docs_say_and_only_runs_that_send_work_away_know_the_gpu_pool(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.folder)
    deploy([Path("spec.yaml")], Options(gpus=2))
    with get_client(sync_client=True) as client:
        found = {flow: client.read_deployment_by_name(f"{flow}/test") for flow in FLOWS}
    one, many, gpu = ("upkeep-cpu", "test"), ("upkeep-cpu", "default"), ("upkeep-gpu", "default")
    assert {flow: (d.work_pool_name, d.work_queue_name) for flow, d in found.items()} == {
        "monitor": one, "maintain": one, "promote": many, "rollback": many, "retrain": gpu, "score": gpu,
    }  # fmt: skip
    known = [*found.values()]
    assert all({"upkeep", "model:test"} <= set(d.tags) for d in known)
    assert all(d.job_variables["env"].items() >= DEPLOYED.items() for d in known)
    here = {"monitor", "maintain", "promote", "rollback"}  # jobs of the GPU pool are resumed by who waits for them
    assert {flow for flow, d in found.items() if "resumes:test" in d.tags} == here
    assert {flow for flow, d in found.items() if d.job_variables["env"].get("UPKEEP_GPU_POOL") == "upkeep-gpu"} == here
    assert {flow for flow, d in found.items() if d.parameters == {"spec_path": str(home.spec)}} == here


def test_automations_wait_as_long_as_the_docs_say_and_start_the_models_own_deployments_also_without_gpus(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_spec(name="waited-for")
    told: list[tuple[dict[str, Any], bool]] = []
    ask = SyncPrefectClient.request

    def listen(client: SyncPrefectClient, method: Any, path: Any, **more: Any) -> Any:
        if path == "/events":
            armed = bool(client.read_automations_by_name("upkeep · waited-for · no run → alert"))
            told.extend((event, armed) for event in more["json"])
        return ask(client, method, path, **more)

    monkeypatch.setattr(SyncPrefectClient, "request", listen)
    done = put(home, gpus=0, mounted_at=Path("/etc/upkeep"))
    assert set(done.deployments) == {f"{flow}/waited-for" for flow in FLOWS - {"retrain", "score"}}
    with get_client(sync_client=True) as client:
        found = {name.split(" · ")[2]: a.model_dump(mode="json") for name, a in automations(client, done).items()}
        ids = {flow: str(client.read_deployment_by_name(f"{flow}/waited-for").id) for flow in ("maintain", "monitor")}
        run = client.read_deployment_by_name("maintain/waited-for")
    assert run.parameters == {"spec_path": "/etc/upkeep/spec.yaml"}
    assert "UPKEEP_GPU_POOL" not in run.job_variables["env"]
    waiting = ("no run → alert", "stuck run → crashed", "never begun → crashed")
    silent, stuck, pending = (found[name]["trigger"] for name in waiting)
    assert (silent["within"], stuck["within"], pending["within"]) == (26 * 60 * 60, 9 * 60, 6 * 60 * 60)
    assert found["drift → maintain"]["actions"][0]["deployment_id"] == ids["maintain"]
    assert found["new objects → monitor"]["actions"][0]["deployment_id"] == ids["monitor"]
    ((event, armed),) = told
    assert armed and event["event"] in silent["after"]
    ours = {"prefect.resource.id": f"prefect.deployment.{ids['maintain']}", "prefect.resource.role": "deployment"}
    assert event["related"] == [silent["match_related"]] == [ours]


def test_a_schedule_that_was_taken_out_of_the_spec_is_gone_after_the_next_deploy(home: Home) -> None:
    home.write_spec(schedule={"cron": "0 3 * * *"})
    put(home)
    home.write_spec()
    put(home)
    with get_client(sync_client=True) as client:
        assert client.read_deployment_by_name("maintain/test").schedules == []


def test_a_schedule_a_deployment_and_a_queue_that_a_person_paused_stay_paused(home: Home) -> None:
    home.write_spec(schedule={"cron": "0 3 * * *", "monitor": "*/5 * * * *"})
    put(home)
    with get_client(sync_client=True) as client:
        nightly, look = (client.read_deployment_by_name(f"{flow}/test") for flow in ("maintain", "monitor"))
        client.update_deployment_schedule(nightly.id, nightly.schedules[0].id, active=False)
        client.pause_deployment(look.id)
        queue = client.read_work_queue_by_name("test", work_pool_name="upkeep-cpu")
        client.update_work_queue(queue.id, is_paused=True, concurrency_limit=5)
        home.write_spec(schedule={"cron": "0 4 * * *", "monitor": "*/5 * * * *"})
        put(home)
        nightly, look = (client.read_deployment_by_name(f"{flow}/test") for flow in ("maintain", "monitor"))
        assert [(s.schedule.cron, s.active) for s in nightly.schedules] == [("0 4 * * *", False)]  # type: ignore[union-attr]
        assert (nightly.paused, look.paused) == (False, True)
        queue = client.read_work_queue_by_name("test", work_pool_name="upkeep-cpu")
        assert (queue.is_paused, queue.concurrency_limit) == (True, 1)
        client.update_work_queue(queue.id, is_paused=False)
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


def test_an_automation_that_is_the_same_goes_on_waiting_for_what_it_waited_for(home: Home) -> None:
    """By the id of its trigger Prefect knows what it has seen; a changed automation has another."""

    def triggers() -> dict[str, str]:
        with get_client(sync_client=True) as client:
            found = client._client.post("/automations/filter", json={}).json()
        return {
            a["name"].removeprefix("upkeep · test · "): a["trigger"]["id"] for a in found if " · test · " in a["name"]
        }

    notify = ops()
    put(home, stuck_after="9m", notify=notify)
    before = triggers()
    put(home, stuck_after="9m", notify=notify)
    assert triggers() == before
    put(home, stuck_after="10m", notify=notify)
    assert {name for name, id_ in triggers().items() if id_ != before[name]} == {"stuck run → crashed"}


@pytest.mark.parametrize("remembers", ["as it is", timedelta(days=7), None])
def test_a_server_that_soon_forgets_what_fell_due_while_it_was_down_is_told_with_what_to_set(
    home: Home, remembers: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if remembers != "as it is":
        monkeypatch.setattr("flows.deploy.remembers_for", lambda client: remembers)
    put(home)
    told = [record.getMessage() for record in caplog.records if "PREFECT_SERVER_EVENTS" in record.getMessage()]
    assert ["more than 60 s" in each and "EXPIRED_BUCKET_BUFFER=P7D" in each for each in told] == (
        [True] if remembers == "as it is" else []
    )


def test_of_a_server_that_does_not_show_its_settings_nothing_is_said(
    prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(client: SyncPrefectClient, method: str, path: str) -> Any:
        request = httpx.Request(method, f"http://prefect{path}")
        raise httpx.HTTPStatusError("denied", request=request, response=httpx.Response(403, request=request))

    with get_client(sync_client=True) as client:
        assert remembers_for(client) == timedelta(minutes=1)
        for answer in (closed, lambda *_: httpx.Response(200, json={"server": {}})):
            monkeypatch.setattr(SyncPrefectClient, "request", answer)
            assert remembers_for(client) is None
        client.server_type = ServerType.CLOUD
        assert remembers_for(client) is None


def test_alerts_go_where_a_block_says_and_nowhere_by_default(home: Home) -> None:
    notify = ops()
    done = put(home)
    with get_client(sync_client=True) as client:
        kinds = {action.type for found in automations(client, done).values() for action in found.actions}
        assert "send-notification" not in kinds
        put(home, notify=notify)
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
        ({"monitor": "0 3 31 2 *"}, r"schedule.monitor of 'test': '0 3 31 2 \*' names a day that never comes"),
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


@pytest.mark.parametrize("expression", ["@daily", "0 3 29 2 *", "0 3 * * 7"])
def test_a_schedule_that_prefect_takes_is_taken(home: Home, expression: str) -> None:
    home.write_spec(schedule={"cron": expression, "monitor": expression})
    spec = read_spec(home.spec)
    require_schedules(spec)
    assert [schedule and schedule.cron for schedule in (nightly(spec), looks(spec))] == [expression, expression]


def test_a_schedule_keeps_its_hour_when_summer_time_begins(home: Home) -> None:
    home.write_spec(schedule={"cron": "0 3 * * *", "monitor": "0 5 * * *", "timezone": "Europe/Berlin"})
    spec = read_spec(home.spec)
    for schedule, hour in ((nightly(spec), 3), (looks(spec), 5)):
        assert schedule is not None and schedule.timezone
        known = CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
        runs = asyncio.run(known.get_dates(2, start=datetime(2026, 3, 28, tzinfo=UTC)))
        assert [run.astimezone(UTC).hour for run in runs] == [hour - 1, hour - 2]


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
    home.write_spec(name="default")
    with pytest.raises(SpecError, match="the queue that promotions and rollbacks of all models go through"):
        put(home)
    with get_client(sync_client=True) as client, pytest.raises(ObjectNotFound):
        client.read_deployment_by_name("maintain/another")


@pytest.mark.parametrize("period", ["0.16m", "soon"])
def test_a_period_that_prefect_cannot_wait_for_is_refused(home: Home, period: str) -> None:
    home.write_spec(name="refused")
    for option in ("silent_after", "stuck_after", "pending_after"):
        with pytest.raises(SpecError, match=rf"'{period}'"):
            put(home, **{option: period})
    with get_client(sync_client=True) as client, pytest.raises(ObjectNotFound):
        client.read_deployment_by_name("monitor/refused")


def test_work_for_a_pool_that_nobody_deployed_says_what_to_do(prefect_server: None) -> None:
    with pytest.raises(PoolError, match=r"no deployment 'retrain/nobody'.*upkeep deploy SPEC.*UPKEEP_GPU_POOL"):
        run_on_pool("retrain/nobody", {}, key="k")


def test_every_option_of_the_command_reaches_what_deploys(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Options] = []
    monkeypatch.setattr("flows.deploy.deploy", lambda specs, options: given.append(options) or [])
    told = ["--gpus", "2", "--pools", "kubernetes", "--mounted-at", "/etc/upkeep", "--silent-after", "2d",
            "--stuck-after", "15m", "--pending-after", "2h", "--notify", "slack-webhook/ops"]  # fmt: skip
    assert CliRunner().invoke(app, ["deploy", str(home.spec), *told]).exit_code == 0
    assert given == [Options(2, "kubernetes", Path("/etc/upkeep"), "2d", "15m", "2h", "slack-webhook/ops")]


def test_a_job_that_was_given_up_after_crashes_is_tried_again_when_it_is_asked_for_again(
    prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real runs of a real deployment; only the worker's part, their states, is played here."""

    @flow(name="job")
    def job() -> None:
        return

    deployed = job.to_deployment("played").apply()
    become: list[State[Any]] = [Crashed(message="gone") for _ in range(3)] + [Completed()]

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


@pytest.mark.parametrize(
    ("given", "tags", "cause"),
    [
        ({"dry_run": True, "force": True}, [], "dry run"),
        ({"force": True, "window": "a"}, [], "forced"),
        ({"window": "a"}, ["auto-scheduled"], "drift"),
        ({}, ["auto-scheduled", "upkeep"], "schedule"),
        ({}, ["upkeep"], "by hand"),
    ],
)
def test_a_run_is_named_by_its_model_the_day_and_what_made_it(
    given: dict[str, Any], tags: list[str], cause: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert maintain.flow_run_name is naming.run_name is monitor.flow_run_name
    assert retrain.flow_run_name is naming.job_name is score.flow_run_name
    day, job = f"{datetime.now(UTC):%Y-%m-%d}", "s3://bucket/mine/models/other/jobs/abc/job.json"
    told = SimpleNamespace(parameters={"spec_path": home.spec, "job": job, **given}, tags=tags)
    monkeypatch.setattr(naming, "flow_run", told)
    assert naming.run_name() == f"test · {day} · {cause}"
    assert naming.job_name() == f"other · {day}"
    home.spec.write_text("name: [")
    assert naming.run_name() == f"spec · {day} · {cause}"
    del told.parameters["spec_path"]
    assert naming.run_name() == f"no spec · {day} · {cause}"


def test_an_address_in_the_place_of_a_block_is_refused_unasked_and_not_repeated(home: Home) -> None:
    with pytest.raises(SpecError, match="takes the name of a block, TYPE/NAME, and no address") as refused:
        put(home, notify="https://hooks.slack.com/services/T000/B000/hunter2")
    assert "hunter2" not in str(refused.value)
