"""Evidently's dashboard over time: the snapshots of all runs as one workspace, for `evidently ui`."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.object_store import ObjectStore
from models.contracts import RunReport


def build_workspace(reports: Sequence[RunReport], folder: Path, *, model: str, store: ObjectStore) -> int:
    """An Evidently workspace made anew from the stored snapshots of these runs, oldest first; how many it holds."""
    from evidently.core.report import Snapshot
    from evidently.ui.workspace import Workspace

    shutil.rmtree(folder, ignore_errors=True)
    workspace = Workspace.create(str(folder))
    project = workspace.create_project(model)
    drifts = [report.observation.drift for report in reports if report.observation]
    kept = [(drift, drift.evidently_snapshot) for drift in drifts if drift.evidently_snapshot]
    for _, snapshot in kept:
        workspace.add_run(project.id, Snapshot.loads(store.get_file(snapshot).read_text()))
    distributions = sorted({s.name for drift, _ in kept for s in drift.signals if s.method == "Kolmogorov-Smirnov"})
    for panel in _panels(distributions):
        project.dashboard.add_panel(panel)
    return len(kept)


def _panels(columns: Sequence[str]) -> list[Any]:
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel

    from tasks.evidently_metric import DrawnDrift, Recorded

    drift, recorded = (f"evidently:metric_v2:{metric.__name__}" for metric in (DrawnDrift, Recorded))
    share = PanelMetric(metric="DriftedColumnsCount", metric_labels={"value_type": "share"}, legend="share")
    p_values = [PanelMetric(metric=drift, metric_labels={"column": c}, legend=c) for c in columns]
    return [
        line_plot_panel("Share of columns that drifted, at Upkeep's thresholds", [share]),
        line_plot_panel("p-value of each distribution", p_values),
        line_plot_panel("Embeddings: p-value and AUC", [PanelMetric(metric=recorded, legend="embeddings")]),
    ]  # fmt: skip
