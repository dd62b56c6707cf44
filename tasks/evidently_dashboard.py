"""Evidently's dashboard over time: the snapshots of all runs as one workspace, for `evidently ui`."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import MissingObject
from infra.object_store import ObjectStore
from models.contracts import Artifact, DriftReport, RunReport


@dataclass(frozen=True)
class Held:
    """How many runs a workspace holds, and how many it does not, since their snapshots are gone from the store."""

    runs: int
    gone: int


def build_workspace(reports: Sequence[RunReport], folder: Path, *, model: str, store: ObjectStore) -> Held:
    """An Evidently workspace made anew from the stored snapshots of these runs, oldest first."""
    from evidently.core.report import Snapshot
    from evidently.ui.workspace import Workspace

    shutil.rmtree(folder, ignore_errors=True)
    workspace = Workspace.create(str(folder))
    project = workspace.create_project(model)
    drifts = [report.observation.drift for report in reports if report.observation]
    taken = [(drift, drift.evidently_snapshot) for drift in drifts if drift.evidently_snapshot]
    held = list[DriftReport]()
    for drift, text in _snapshots(taken, store):
        workspace.add_run(project.id, Snapshot.loads(text))
        held.append(drift)
    distributions = sorted({s.name for drift in held for s in drift.signals if s.method == "Kolmogorov-Smirnov"})
    for panel in _panels(distributions):
        project.dashboard.add_panel(panel)
    return Held(runs=len(held), gone=len(taken) - len(held))


def _snapshots(taken: Sequence[tuple[DriftReport, Artifact]], store: ObjectStore) -> Iterator[tuple[DriftReport, str]]:
    """Those that are there: a lifecycle rule, or a person, may have deleted old ones."""
    for drift, snapshot in taken:
        try:
            path = store.get_file(snapshot)
        except MissingObject:
            continue
        yield drift, path.read_text()


def _panels(columns: Sequence[str]) -> list[Any]:
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel

    from tasks.evidently_metric import CountedDrift, DrawnDrift, Recorded

    counted, drift, recorded = (f"evidently:metric_v2:{m.__name__}" for m in (CountedDrift, DrawnDrift, Recorded))
    share = PanelMetric(metric=counted, metric_labels={"value_type": "share"}, legend="share")
    p_values = [PanelMetric(metric=drift, metric_labels={"column": c}, legend=c) for c in columns]
    return [
        line_plot_panel("Share of columns that drifted, at Upkeep's thresholds", [share]),
        line_plot_panel("p-value of each distribution", p_values),
        line_plot_panel("Embeddings: p-value and AUC", [PanelMetric(metric=recorded, legend="embeddings")]),
    ]  # fmt: skip
