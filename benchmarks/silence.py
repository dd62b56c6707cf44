"""Is a model told of that fell silent, where Prefect's server is busy? Upkeep's alert beside one that waits for ends only."""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
from prefect import flow, get_client
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State
from prefect.events import Event
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Pending, Running

from benchmarks.results import Bar, Findings, Options, Table, main, say, share
from benchmarks.scratch import scratch_folder
from tasks.automations import read_automations
from tests.operations.conftest import Operated
from tests.operations.database import postgres
from tests.operations.webhook import Webhook, listening
from tests.servers import free_port

MODELS = ("one", "two", "three", "four", "five")
SILENCE, PATIENCE = 30, 210
"""Seconds: an alert is due after the first, and missing after the second. Prefect looks every few seconds, but waits for a
locked SQLite for sixty of them, with all automations, and was seen to do so twice in a row."""
EVERY = 1.5
"""Seconds between the other model's runs."""
OURS, ENDS = "begin and end (Upkeep's)", "ends only"
RUNNING = "prefect.flow-run.Running"


@flow
def nothing() -> None:
    """What the deployments would run; no worker takes their runs, whose states are set here."""


def measure_silence(options: Options) -> Findings:
    """`options.runs`: times that every model has a run and then falls silent."""
    found = {name: _rounds(name, options.runs) for name in ("SQLite", "PostgreSQL")}
    due = options.runs * len(MODELS)
    rows = [
        (database, variant, f"{due - arrived[variant]} of {due}", str(arrived["lost"]))
        for database, arrived in found.items() if arrived for variant in (OURS, ENDS)
    ]  # fmt: skip
    missed = sum(due - arrived[OURS] for arrived in found.values() if arrived)
    asked = due * sum(map(bool, found.values()))
    return Findings(
        question="Is a model told of that fell silent, where Prefect's server is busy?",
        tables=(Table(title="Alerts that never came", says="Of models whose run was followed by silence; both alerts wait "
                      "for the same runs on the same server.",
                      columns=("database", "the time begins with", "missing", "events among the dead letters"), rows=tuple(rows)),),
        bars=(Bar(promise="no alert for silence is missing", met=missed == 0, measured=f"{share(missed, asked)} of {asked}"),),
        notes=(f"Five models, each with a run whose states are set one after the other; beside them a run, its heartbeats and its "
               f"end every two seconds. An alert is due after {SILENCE} seconds and missing after {PATIENCE}.",
               "A lost event of a run's end is seen as one alert too few where the time begins with ends only."),
    )  # fmt: skip


def _rounds(database: str, rounds: int) -> Counter[str]:
    """How often each variant's alert arrived; nothing where the database is not there."""
    arrived = Counter[str]()
    with scratch_folder() as folder, postgres(free_port()) as address, listening() as told:
        if database == "PostgreSQL" and address is None:
            return arrived
        chosen = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": str(address)} if database == "PostgreSQL" else {}
        server = Operated(Path(folder), chosen)
        try:
            server.start_server()
            with temporary_settings({PREFECT_API_URL: server.url}), get_client(sync_client=True) as client:
                deployments = _install(told.address, client)
                with _noise(server):
                    for number in range(rounds):
                        arrived += _round(deployments, told, client)
                        say(f"{database}, round {number + 1} of {rounds}: {dict(arrived)}")
        finally:
            server.stop()
        arrived["lost"] = len(list((Path(folder) / "prefect" / "dlq").glob("*")))
    return arrived


def _install(address: str, client: SyncPrefectClient) -> dict[str, UUID]:
    """A deployment a model, with all automations of Upkeep's and the variant; model → deployment."""
    block = CustomWebhookNotificationBlock(name="told", url=address, json_data={"text": "{{subject}}"}).save("told")
    flow_id, found = client.create_flow(nothing), {}
    for model in MODELS:
        found[model] = client.create_deployment(flow_id, model, tags=[f"model:{model}"])
        ids = {name: str(found[model]) for name in ("maintain", "monitor", "promote", "rollback", "retrain", "score")}
        values = {"model": model, "silence": str(SILENCE), "heartbeats": "120", **ids}
        for automation in read_automations(values, notify=UUID(str(block))):
            client.create_automation(automation)
            if RUNNING in getattr(automation.trigger, "after", ()):
                client.create_automation(_ends_only(automation))
    return found


def _ends_only(ours: AutomationCore) -> AutomationCore:
    fields = ours.model_dump(mode="json")
    fields["name"] += f", {ENDS}"
    fields["trigger"]["after"] = [event for event in fields["trigger"]["after"] if event != RUNNING]
    fields["actions"][0]["subject"] += f", {ENDS}"
    return AutomationCore.model_validate(fields)


def _round(deployments: dict[str, UUID], told: Webhook, client: SyncPrefectClient) -> Counter[str]:
    told.bodies.clear()
    for model, deployment in deployments.items():
        _run(deployment, model, client)
    time.sleep(PATIENCE)
    seen = {(ENDS if ENDS in s else OURS, found[1]) for s in told.bodies
            if (found := re.search(r"Upkeep: (\w+) has not", s))}  # fmt: skip
    return Counter(variant for variant, _ in seen)


def _run(deployment: UUID, model: str, client: SyncPrefectClient, *, beats: int = 1) -> None:
    """A run from its begin to its end, as a worker would tell of it."""
    run = client.create_flow_run_from_deployment(deployment, tags=[f"model:{model}"]).id
    resource = {"prefect.resource.id": f"prefect.flow-run.{run}"}
    related = [{"prefect.resource.id": f"prefect.tag.model:{model}", "prefect.resource.role": "tag"}]
    states: tuple[State[None], ...] = (Pending(), Running())
    for state in states:
        client.set_flow_run_state(run, state)
    for _ in range(beats):
        beat = Event(event="prefect.flow-run.heartbeat", resource=resource, related=related)
        client.request("POST", "/events", json=[beat.model_dump(mode="json")])
    client.set_flow_run_state(run, Completed())


@contextmanager
def _noise(server: Operated) -> Iterator[None]:
    """Runs of another deployment, which begin, beat and end all the while, and whose stuck ones an automation waits for."""
    over = threading.Event()

    def run() -> None:
        with temporary_settings({PREFECT_API_URL: server.url}), get_client(sync_client=True) as client:
            deployment = client.create_deployment(client.create_flow(nothing), "noise", tags=["model:noise"])
            while not over.wait(EVERY):
                try:
                    _run(deployment, MODELS[0], client, beats=3)
                except (PrefectHTTPStatusError, httpx.TransportError) as problem:  # it is busy, as it should be
                    say(f"the server is too busy for a run: {problem!r}"[:120])

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    main("silence", measure_silence, runs=3, quick=1)
