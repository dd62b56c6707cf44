"""Evidently's dashboard over time: the snapshots of all runs as one workspace, for `evidently ui`."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import MissingObject
from infra.object_store import ObjectStore
from models.contracts import Artifact, RunReport


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
    taken = [report.observation.drift.evidently_snapshot for report in reports if report.observation]
    runs, named = 0, set[tuple[str, str]]()
    for text in _snapshots(taken, store):
        snapshot = json.loads(text)
        named |= _name_series(snapshot)
        workspace.add_run(project.id, Snapshot.load_dict(snapshot))
        runs += 1
    for panel in _panels(**{of: sorted(name for key, name in named if key == of) for of in ("column", "title")}):
        project.dashboard.add_panel(panel)
    return Held(runs=runs, gone=len(taken) - runs)


def _name_series(snapshot: dict[str, Any]) -> set[tuple[str, str]]:
    """The columns and titles that a run tells numbers of. What else a metric was set by (a threshold, or the number itself) is
    taken out: Evidently joins into one line only what all of it is equal for."""
    named = set[tuple[str, str]]()
    for result in snapshot["metric_results"].values():
        for number in (result, *(result[of] for of in ("count", "share") if of in result)):
            metric = number["metric_value_location"]["metric"]
            kept = {key: metric["params"][key] for key in ("column", "title") if key in metric["params"]}
            if "title" in kept:
                kept["title"] = kept["title"].partition(" (")[0]  # not by which method
            metric["params"] = {"type": metric["params"]["type"], **kept}
            named |= kept.items()
    return named


def _snapshots(taken: Sequence[Artifact], store: ObjectStore) -> Iterator[str]:
    """Those that are there: a lifecycle rule, or a person, may have deleted old ones."""
    for snapshot in taken:
        try:
            path = store.get_file(snapshot)
        except MissingObject:
            continue
        yield path.read_text()


def _panels(*, column: Sequence[str], title: Sequence[str]) -> list[Any]:
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel

    from tasks.evidently_metric import CountedDrift, DrawnDrift, Recorded

    counted, drift, recorded = (f"evidently:metric_v2:{m.__name__}" for m in (CountedDrift, DrawnDrift, Recorded))
    share = PanelMetric(metric=counted, metric_labels={"value_type": "share"}, legend="share")
    return [
        line_plot_panel("Share of columns that drifted, at Upkeep's thresholds", [share]),
        *(
            line_plot_panel(name, [PanelMetric(metric=of, metric_labels={key: one}, legend=one) for one in several])
            for name, of, key, several in (
                ("p-value of each column", drift, "column", column),
                ("Embeddings: p-value and effect", recorded, "title", title),
            )
        ),
    ]
