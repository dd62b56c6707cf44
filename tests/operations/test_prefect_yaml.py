"""`prefect.yaml` and `upkeep deploy` say the same of the demo."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.operations.conftest import ROOT, Operated

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NAME = "sentiment-demo"
FLOWS = ("monitor", "maintain", "promote", "rollback", "retrain", "score")


def deployed(operated: Operated) -> dict[str, dict[str, Any]]:
    with temporary_settings({PREFECT_API_URL: operated.url}), get_client(sync_client=True) as client:
        found = {flow: client.read_deployment_by_name(f"{flow}/{NAME}") for flow in FLOWS}
    return {
        flow: {
            "entrypoint": d.entrypoint, "pool": d.work_pool_name, "queue": d.work_queue_name, "tags": sorted(d.tags),
            "spec": Path(d.parameters.get("spec_path", "")).name,
            "schedules": [(s.schedule.cron, s.schedule.timezone) for s in d.schedules],  # type: ignore[union-attr]
        }
        for flow, d in found.items()
    }  # fmt: skip


def test_the_file_for_prefect_deploy_makes_what_upkeep_deploy_makes(operated: Operated) -> None:
    operated.upkeep("deploy", str(ROOT / "examples/sentiment/spec.yaml"), "--gpus", "1")
    ours = deployed(operated)
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(command, env=operated.environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert deployed(operated) == ours
