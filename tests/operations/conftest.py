"""A real Prefect server and two real workers on loopback, an S3 server for all models, and processes to kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pandas as pd
import psutil
import pytest
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from infra.local_store import local_store
from infra.object_store import ObjectStore, connect
from tests.flows.conftest import SPEC, Home
from tests.operations.database import postgres
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 480.0
"""Seconds; on two busy cores a flow's process takes 20 to start."""


MANY = 650
"""So many rows are scored on the GPU pool; the other windows of these tests are smaller."""


class Operated:
    """The server, the workers, and what a person could see in the UI."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}/api"
        self.environment = {
            **os.environ, **environment, "PREFECT_HOME": str(folder / "prefect"), "PREFECT_API_URL": self.url,
            "PREFECT_WORKER_QUERY_SECONDS": "2", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_DATABASE_TIMEOUT": "60", "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",  # SQLite, busy cores
            "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER": "P7D",  # as docs/operations.md says
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command], env=self.environment, cwd=self.folder, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def start_server(self) -> None:
        self.start("server", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port))
        self.until("the server answers", self._answers)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).is_success
        except httpx.TransportError:
            return False

    def start_worker(self, pool: str) -> None:
        self.start(f"worker-{pool}", "prefect", "worker", "start", "--type", "process", "--pool", f"upkeep-{pool}")

    def kill(self, name: str) -> None:
        """kill -9 of the process itself, not of those that it has started."""
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self) -> None:
        for process in self.processes.values():
            for each in [*psutil.Process(process.pid).children(recursive=True), process] if _alive(process) else []:
                each.kill()
            process.wait()

    def upkeep(self, *arguments: str, fails: bool = False) -> str:
        command = [sys.executable, "-m", "flows.cli", *arguments]
        done = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert fails or not done.returncode, done.stdout + done.stderr
        return done.stdout + done.stderr

    # --- what Prefect knows ---

    @cached_property
    def prefect(self) -> SyncPrefectClient:
        """One for all questions: a test asks each second, and each new client takes processor time."""
        with temporary_settings({PREFECT_API_URL: self.url}):
            return get_client(sync_client=True)

    def runs(self, deployment: str) -> list[FlowRun]:
        """Of a deployment as `monitor/one`, oldest first; not those that are only scheduled for later."""
        known = self.prefect.read_deployment_by_name(deployment).id
        found = [r for r in self.prefect.read_flow_runs(limit=200) if r.deployment_id == known]
        return sorted((r for r in found if r.start_time or not r.auto_scheduled), key=lambda r: str(r.created))

    def ask(self, deployment: str, **parameters: Any) -> UUID:
        known = self.prefect.read_deployment_by_name(deployment).id
        return self.prefect.create_flow_run_from_deployment(known, parameters=parameters).id

    def pause(self, deployment: str) -> None:
        """Its schedules start no more runs."""
        self.prefect.pause_deployment(self.prefect.read_deployment_by_name(deployment).id)

    def read(self, run: UUID) -> FlowRun:
        return self.prefect.read_flow_run(run)

    def ended(self, run: UUID) -> FlowRun:
        self.until(f"run {run} ends", lambda: _final(self.read(run)))
        return self.read(run)

    def completed(self, deployment: str, number: int = 1) -> list[FlowRun]:
        """Waits until so many runs of a deployment have completed."""
        self.until(f"{number} runs of {deployment} complete", lambda: len(_completed(self.runs(deployment))) >= number)
        return self.runs(deployment)

    def until(
        self, what: str, happened: Callable[[], object], *, patience: float = PATIENCE, every: float = 1.0
    ) -> None:
        deadline = time.monotonic() + patience
        while not happened():
            assert time.monotonic() < deadline, f"waited {patience:.0f} s in vain until {what}\n{self.logs()}"
            time.sleep(every)

    def logs(self) -> str:
        """The end of each, and what a server on SQLite was heard to lose."""
        lost = [line for line in (self.folder / "server.log").read_text().splitlines() if "dead letter" in line]
        ends = (f"--- {p.name}\n{p.read_text()[-2500:]}" for p in sorted(self.folder.glob("*.log")))
        return "\n".join([*lost, *ends])

    # --- what the S3 server has ---

    def store_of(self, model: str) -> ObjectStore:
        settings = {
            name: self.environment[f"UPKEEP_S3_{name.upper()}"] for name in ("endpoint_url", "access_key", "secret_key")
        }
        cache = self.folder / model / "seen"
        return connect(bucket="upkeep", prefix=f"models/{model}/", cache=cache, region="us-east-1", **settings)

    # --- processes ---

    def process_of(self, run: UUID) -> psutil.Process:
        """That runs a flow; Prefect names the run in its environment."""
        for process in psutil.process_iter():
            try:
                if process.environ().get("PREFECT__FLOW_RUN_ID") == str(run):
                    return process
            except psutil.Error:
                continue
        raise AssertionError(f"no process runs {run}")


def kill(process: psutil.Process) -> None:
    process.send_signal(signal.SIGKILL)


def _alive(process: "subprocess.Popen[bytes]") -> bool:
    return process.poll() is None


def _final(run: FlowRun) -> bool:
    return bool(run.state and run.state.is_final())


def _completed(runs: list[FlowRun]) -> list[FlowRun]:
    return [r for r in runs if r.state and r.state.is_completed()]


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    folder = tmp_path_factory.mktemp("operated")
    with local_store(folder / "store") as store, postgres(free_port()) as database:
        found = Operated(folder, {
            **({"PREFECT_SERVER_DATABASE_CONNECTION_URL": database} if database else {}),
            "UPKEEP_S3_BUCKET": "upkeep", "UPKEEP_S3_ENDPOINT_URL": store.url,
            "UPKEEP_GPU_FROM_ROWS": str(MANY), "UPKEEP_S3_ACCESS_KEY": store.access_key, "UPKEEP_S3_SECRET_KEY": store.secret_key,
        })  # fmt: skip
        try:
            found.start_server()
            for pool in ("cpu", "gpu"):
                found.start_worker(pool)
            yield found
        finally:
            found.stop()


class Model(Home):
    """A maintained model with a first champion, under Prefect's care. `training`: how its later versions are trained."""

    def __init__(
        self, operated: Operated, name: str, first: pd.DataFrame, *, training: Any = SPEC["training"], **changes: Any
    ) -> None:
        folder = operated.folder / name
        folder.mkdir()
        super().__init__(folder)
        self.name, self.operated = name, operated
        self.write_spec(name=name, **changes)
        self.receive("day-0", first)
        operated.upkeep("bootstrap", str(self.spec))
        self.write_spec(name=name, training=training, **changes)
        operated.upkeep("deploy", str(self.spec), "--gpus", "1", "--stuck-after", "2m")

    def upkeep(self, command: str, *arguments: str, fails: bool = False) -> str:
        return self.operated.upkeep(command, str(self.spec), *arguments, fails=fails)
