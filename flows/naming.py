"""What a person reads in a list of runs: `sentiment · 2026-11-23 · drift`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect.runtime import flow_run

from errors import SpecError
from infra.workspace import model_of
from models.spec import read_spec

SCHEDULED = "auto-scheduled"
"""The tag that Prefect gives to the runs of a schedule."""


def run_name() -> str:
    """Of the run that begins now: its model, the day, and what made it."""
    return f"{_model()} · {datetime.now(UTC):%Y-%m-%d} · {_cause(flow_run.parameters, flow_run.tags)}"


def job_name() -> str:
    """Of a run on another pool: its parameters hold the job's address, and that the model's name."""
    return f"{model_of(str(flow_run.parameters['job']))} · {datetime.now(UTC):%Y-%m-%d}"


def _model() -> str:
    path = Path(str(flow_run.parameters.get("spec_path", "")))
    try:
        return read_spec(path).name
    except SpecError:  # the run itself will say what is wrong
        return path.stem or "no spec"


def _cause(parameters: dict[str, Any], tags: list[str]) -> str:
    if parameters.get("dry_run"):
        return "dry run"
    if parameters.get("force"):
        return "forced"
    if parameters.get("window"):
        return "drift"
    return "schedule" if SCHEDULED in tags else "by hand"
