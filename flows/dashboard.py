"""Evidently's dashboard of one model's runs: what `upkeep dashboard` shows. Needs no Prefect server and no torch."""

from dataclasses import dataclass
from pathlib import Path

from errors import DataError
from infra.workspace import open_workspace
from models.spec import read_spec
from tasks.evidently_dashboard import build_workspace
from tasks.history import read_history, read_reports


@dataclass(frozen=True)
class Dashboard:
    folder: Path
    runs: int
    gone: int
    """Runs that are left out, since their snapshots are gone from the store."""


def build_dashboard(spec_path: Path) -> Dashboard:
    """The workspace folder that `evidently ui --workspace` serves. DataError where no run has looked at rows yet."""
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        history = read_history(store=work.store)
        reports = read_reports(history, store=work.store)
        ordered = [reports[entry.run_id] for entry in reversed(history) if entry.run_id in reports]
        folder = work.home / "evidently"
        held = build_workspace(ordered, folder, model=spec.name, store=work.store)
    if not held.runs:
        gone = f"the snapshots of all {held.gone} runs are gone from the store"
        why = gone if held.gone else "no run has compared rows yet"
        raise DataError(f"{spec.name!r}: {why}, so there is nothing to plot; `upkeep run SPEC`")
    return Dashboard(folder, held.runs, held.gone)
