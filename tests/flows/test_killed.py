"""Real processes, really killed: kill -9 in one stage after the other, and the next command finishes the run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.inspect import pull_version, read_all_history, read_status
from infra.object_store import ObjectStore
from models.contracts import Outcome, RunReport
from tests.flows.conftest import Home, moved
from tests.tiny import sentences

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120


def start(home: Home, log: Path) -> "subprocess.Popen[bytes]":
    from prefect.settings import PREFECT_API_URL

    environment = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value()), "PYTHONPATH": str(ROOT)}
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "run", str(home.spec)],
            stdout=out,
            stderr=out,
            env=environment,
            cwd=ROOT,
        )


def kill_when(process: "subprocess.Popen[bytes]", reached: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None, f"the run ended before it could be killed:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"the run never came so far:\n{log.read_text()}"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_killed_in_every_part_is_finished_by_the_next_without_doing_anything_twice(
    home: Home, store: ObjectStore, tmp_path: Path
) -> None:
    from flows.bootstrap import bootstrap
    from tests.flows.conftest import SPEC

    home.receive("day-0", sentences(600))
    home.write_spec(name="killed", training={**SPEC["training"], "epochs": 60, "patience": 100})
    bootstrap(home.spec)
    home.receive("day-1", moved(600, start=2000))
    store.prefix = "models/killed/"
    begun = set(store.list_keys("stages/"))
    log, work = tmp_path / "log", home.folder / ".upkeep" / "work"

    def finished(stage: str) -> bool:
        return any(key.startswith(f"stages/{stage}/") for key in set(store.list_keys("stages/")) - begun)

    points: list[Callable[[], bool]] = [
        lambda: finished("validate"),
        lambda: any(work.glob("training-*/checkpoint-*/trainer_state.json")),
        lambda: finished("candidate"),
        lambda: len(store.list_keys("claims/")) == 2,
    ]
    for number, reached in enumerate(points):
        kill_when(start(home, log), reached, log)
        assert pull_version(home.spec, "champion", tmp_path / f"pulled-{number}").version == 1
    last = start(home, log)
    assert last.wait(PATIENCE) == 0, log.read_text()

    history = read_all_history(home.spec)
    assert [entry.outcome for entry in history] == [Outcome.RELEASED, Outcome.BOOTSTRAPPED]
    assert [entry.version for entry in read_status(home.spec).log] == [2, 1]
    assert pull_version(home.spec, "champion", tmp_path / "pulled-last").version == 2
    assert history[0].report is not None
    report = RunReport.model_validate_json(store.get_bytes(store.key_of(history[0].report.json_.uri)))
    assert {s.stage for s in report.stages if s.reused} >= {
        "ingest",
        "validate",
        "scores of the window",
        "drift",
        "dataset",
        "candidate",
    }
    assert report.attempt is not None
    assert report.attempt.candidate.cost.resumed_from_step > 0
