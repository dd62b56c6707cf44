import asyncio
from pathlib import Path
from typing import Any

import pytest

from infra.object_store import ObjectStore
from models.contracts import RunReport
from tasks.evidently_dashboard import Held, build_workspace
from tests.tasks.reports import observation, run
from tests.tasks.test_drift import detected
from tests.tiny import sentences


def lived(store: ObjectStore, folder: Path, start: int, alpha: float = 0.001) -> RunReport:
    drift = detected(sentences(120), sentences(200, start=start), store, folder, alpha=alpha)
    return run(observation().model_copy(update={"drift": drift}))


@pytest.mark.slow
def test_every_run_is_in_evidentlys_own_workspace_with_panels_over_time(store: ObjectStore, tmp_path: Path) -> None:
    from evidently.ui.workspace import Workspace

    reports = [lived(store, tmp_path, 500), lived(store, tmp_path, 900, alpha=0.01)]
    folder = tmp_path / "evidently"
    assert build_workspace(reports, folder, model="mine", store=store) == Held(runs=2, gone=0)
    workspace = Workspace.create(str(folder))
    (project,) = workspace.search_project("mine")
    runs = workspace.list_runs(project.id)
    assert len(runs) == 2
    held = repr(workspace.get_run(project.id, runs[0]).dict())
    assert "embeddings: p-value" in held
    assert "mean word length" in held
    drawn = {panel.title: lines(panel, project.id, folder) for panel in workspace.get_dashboard(project.id).panels}
    assert set(drawn["Embeddings: p-value and effect"]) == {"embeddings: p-value", "embeddings: AUC"}
    assert {"mean word length", "confidence", "prediction", "label"} <= set(drawn["p-value of each column"])
    assert set(drawn["Share of columns that drifted, at Upkeep's thresholds"]) == {"share"}
    assert all(len(line) == 2 and None not in line for of in drawn.values() for line in of.values()), (
        "not one line a run"
    )


def lines(panel: Any, project: Any, folder: Path) -> dict[str, list[float]]:
    """Legend → its values over the runs, as Evidently's page asks for them."""
    from evidently.ui.service.base import SeriesFilter
    from evidently.ui.service.storage.local.base import InMemoryDataStorage

    asked = [SeriesFilter(tags=v.tags, metadata=v.metadata, metric=v.metric, metric_labels=v.metric_labels)
             for v in panel.values]  # fmt: skip
    told = asyncio.run(InMemoryDataStorage(str(folder)).get_data_series(project, asked, None, None))
    drawn = [(panel.values[series.filter_index].legend, series.values) for series in told.series]
    assert len(dict(drawn)) == len(drawn), "two lines of one name"
    return dict(drawn)


def test_built_again_the_workspace_holds_each_run_once(store: ObjectStore, tmp_path: Path) -> None:
    reports = [lived(store, tmp_path, 500)]
    for _ in range(2):
        assert build_workspace(reports, tmp_path / "evidently", model="mine", store=store) == Held(runs=1, gone=0)


def test_a_run_whose_snapshot_is_gone_from_the_store_is_skipped_and_counted(store: ObjectStore, tmp_path: Path) -> None:
    reports = [lived(store, tmp_path, 500), lived(store, tmp_path, 900)]
    snapshot = reports[0].observation.drift.evidently_snapshot
    store.delete(store.key_of(snapshot.uri))
    (store.cache / snapshot.sha256).unlink(missing_ok=True)
    assert build_workspace(reports, tmp_path / "evidently", model="mine", store=store) == Held(runs=1, gone=1)
