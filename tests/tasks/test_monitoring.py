from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from errors import DataError
from infra.object_store import ObjectStore
from models.contracts import (
    AliasEntry,
    Estimate,
    Lineage,
    Manifest,
    Measurement,
    ModelKind,
    MonitoringReport,
    Reference,
    Release,
    Scores,
    Table,
)  # fmt: skip
from tasks.monitoring import monitor_quality
from tests.tiny import kept_table, sentences, stored_scores

LABELS = ("negative", "positive")
KIND = ModelKind(task="text-classification", labels=LABELS, max_tokens=16, seed=1)
AT = datetime(2026, 1, 1, tzinfo=UTC)


def released(accuracy: float, rows: int) -> Release:
    """A champion that measured this at its release; on the reference it was worse, which must not be compared."""
    nowhere = Table(uri="", sha256="", bytes=0, rows=0)
    measured = tuple(
        Measurement(on=on, metric=metric, estimate=Estimate(value=v, low=v - 0.02, high=v + 0.02, n=rows, method="t"))
        for on, v in (("reference", 0.1), ("current", accuracy)) for metric in ("accuracy", "macro_f1", "auroc", "ece")
    )  # fmt: skip
    lineage = Lineage(run_id="", spec="", spec_digest="", source="", window_digest="", training_digest="", recipe="",
                      packages={}, git_commit="", seed=1)  # fmt: skip
    manifest = Manifest(model="m", version=1, parent=None, task="text-classification", labels=LABELS, created_at=AT,
                        files=(), content_digest="", reference=Reference(table=nowhere, newest_origin=""),
                        measured=measured, lineage=lineage)  # fmt: skip
    entry = AliasEntry(alias="champion", generation=1, version=1, previous_version=None, manifest_sha256="", evidence_sha256=None,
                       previous_entry_sha256=None, token="", run_id="", who="", at=AT, why="")  # fmt: skip
    return Release(manifest=manifest, entry=entry)


def scores(positive: np.ndarray, store: ObjectStore, folder: Path) -> Scores:
    return stored_scores(np.stack([1 - positive, positive], 1), np.zeros((len(positive), 2)), store, folder)


def monitored(rows: pd.DataFrame, positive: np.ndarray, store: ObjectStore, folder: Path) -> MonitoringReport:
    return monitor_quality.fn(
        kept_table(rows, store), scores(positive, store, folder), released(0.9, 400),
        scores(np.array([0.1, 0.1, 0.1, 0.9]), store, folder), evidence=None, kind=KIND, store=store,
    )  # fmt: skip


def test_labelled_rows_are_held_against_the_release_and_unlabelled_ones_are_left_out(
    store: ObjectStore, tmp_path: Path
) -> None:
    rows = sentences(200)
    positive = np.where(np.arange(200) % 2 == 0, 0.8, 0.2)
    positive[:40] = 1 - positive[:40]  # wrong on the first 40
    rows.loc[100:, "label"] = None
    found = monitored(rows, positive, store, tmp_path)
    assert (found.rows, found.labelled) == (200, 100)
    accuracy, f1, auroc, error = found.quality
    assert accuracy.metric == "accuracy"
    assert accuracy.now.value == pytest.approx(0.6)
    assert accuracy.drop == pytest.approx(0.3)
    assert accuracy.p_value < 1e-9
    assert f1.metric == "macro_f1"
    assert f1.p_value < 1e-4
    assert auroc.now.value == pytest.approx(0.6)
    assert auroc.p_value < 1e-4
    assert error.now.value == pytest.approx(0.2)
    assert error.p_value > 0.5  # at release it was set to be larger
    assert error.drop < 0
    assert found.confidence == pytest.approx(0.8)
    assert found.confidence_at_release == pytest.approx(0.9)
    assert [(s.label, s.predicted, s.predicted_at_release, s.labelled) for s in found.shares] == [
        ("negative", 0.5, 0.75, 0.5), ("positive", 0.5, 0.25, 0.5),
    ]  # fmt: skip
    assert found.latency_ms is None
    assert found.served_agreement is None


def test_a_champion_that_holds_is_not_accused(store: ObjectStore, tmp_path: Path) -> None:
    rows = sentences(200)
    right = np.where(np.arange(200) % 2 == 0, 0.8, 0.2)
    assert all(check.p_value > 0.5 for check in monitored(rows, right, store, tmp_path).quality)


def test_without_labels_quality_is_empty_and_not_good(store: ObjectStore, tmp_path: Path) -> None:
    rows = sentences(20).assign(label=None)
    found = monitored(rows, np.full(20, 0.7), store, tmp_path)
    assert found.quality == ()
    assert [share.labelled for share in found.shares] == [None, None]


def test_logged_latency_and_predictions_are_compared_where_they_are_there(store: ObjectStore, tmp_path: Path) -> None:
    rows = sentences(4)
    place = range(4)
    full = rows.assign(row=place, source="t", line=place, latency=[1.0, 2.0, 3.0, None],
                       prediction=["positive", "negative", None, None], chosen=None)  # fmt: skip
    path = tmp_path / "rows.parquet"
    full.to_parquet(path)
    table = Table.of(store.put_blob("kept", path), rows=4)
    found = monitor_quality.fn(
        table, scores(np.full(4, 0.9), store, tmp_path), released(0.9, 400), scores(np.full(4, 0.9), store, tmp_path),
        evidence=None, kind=KIND, store=store,
    )  # fmt: skip
    assert found.latency_ms is not None
    assert (found.latency_ms.p50, found.latency_ms.n) == (2, 3)
    assert found.served_agreement == 0.5


def test_numeric_labels_that_were_served_are_known_as_pandas_writes_them(store: ObjectStore, tmp_path: Path) -> None:
    kind = KIND.model_copy(update={"labels": ("0", "1")})
    rows = sentences(4).assign(label=["0", "1"] * 2, prediction=["1.0", "0.0", "1", "1.5"])
    right = scores(np.full(4, 0.9), store, tmp_path)
    found = monitor_quality.fn(
        kept_table(rows, store), right, released(0.9, 400), right, evidence=None, kind=kind, store=store
    )
    assert found.served_agreement == 0.5


def test_an_empty_window_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows to monitor"):
        monitored(sentences(0, start=0).reindex(columns=["text", "label"]), np.zeros(0), store, tmp_path)


def test_several_labels_are_counted_each_and_served_ones_are_compared_as_they_are_meant(
    store: ObjectStore, tmp_path: Path
) -> None:
    rows = sentences(100).assign(
        label=["negative|positive", "[]"] * 50, prediction=["positive | negative", "positive"] * 50
    )
    both = np.where(np.arange(100)[:, None] % 2 == 0, [0.9, 0.8], [0.1, 0.2])
    then = np.full((4, 2), 0.7)
    found = monitor_quality.fn(
        kept_table(rows, store), stored_scores(both, np.zeros((100, 2)), store, tmp_path), released(0.9, 400),
        stored_scores(then, np.zeros((4, 2)), store, tmp_path), evidence=None,
        kind=KIND.model_copy(update={"truth": "labels"}), store=store,
    )  # fmt: skip
    assert [check.metric for check in found.quality] == ["macro_f1", "auroc", "ece"]  # what the release had measured
    assert found.quality[0].now.value == 1
    assert [(s.predicted, s.predicted_at_release, s.labelled) for s in found.shares] == [(0.5, 1.0, 0.5)] * 2
    assert found.served_agreement == pytest.approx(0.5)
    assert found.confidence == pytest.approx(0.8)
