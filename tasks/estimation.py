"""Beside the quality that labels show: what label-free methods make of it, and how far off they were once labels came.

They are extra alarms. That they see nothing is no evidence of safety: in the field notes they called a real loss of six
points two, and another domain an improvement.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import LabelFreeEstimate, ModelKind, MonitoringReport, Scores, Table
from models.label_sets import sure_of_all
from tasks.grading import grade_labels
from tasks.metrics.estimators import METHODS, estimate_right
from tasks.metrics.labelled import Labelled
from tasks.metrics.several import Several
from tasks.outputs import outputs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

CALIBRATED_FROM = 30
"""Fewer labelled baseline rows calibrate nothing."""
SCORED_FROM = 50
"""Fewer labels score no method: their own interval is wider than what it is to be held to."""


@task(name="estimate without labels", cache_policy=NO_CACHE)
@once("estimates")
def estimate_without_labels(
    monitoring: MonitoringReport, rows: Table, scores: Scores, baseline: Table, baseline_scores: Scores, *,
    kind: ModelKind, store: ObjectStore,
) -> MonitoringReport:  # fmt: skip
    """The report with its estimates (of classifiers only): of all rows; of the labelled ones alone where these are enough
    to score them. Where rows may have several labels, of the share that is right in every label."""
    if not kind.classifies:
        return monitoring
    then, now = _load(baseline, baseline_scores, kind, store), _load(rows, scores, kind, store)
    if len(then.graded) < CALIBRATED_FROM:
        return monitoring
    scored = len(now.graded) >= SCORED_FROM
    metric = "accuracy" if kind.truth == "label" else "exact_match"
    told = now.graded.measure(metric) if scored else None
    looked_at = now.confidence[now.known] if scored else now.confidence
    sure, right, rng = then.confidence[then.known], then.graded.right, np.random.default_rng(kind.seed)
    found = (
        LabelFreeEstimate(
            method=method, metric=metric, truth=told, estimate=estimate_right(method, sure, right, looked_at, rng=rng)
        )
        for method in METHODS
    )
    return monitoring.model_copy(update={"estimates": tuple(found)})


@dataclass(frozen=True)
class _Looked:
    """How sure the model was of each row, which rows' truth is known, and its answers to those."""

    confidence: "NDArray[np.floating]"
    known: "NDArray[np.bool_]"
    graded: Labelled | Several


def _load(table: Table, scores: Scores, kind: ModelKind, store: ObjectStore) -> _Looked:
    import pandas as pd

    rows, outputs = pd.read_parquet(store.get_file(table), columns=["label"]), outputs_of(scores, store=store)
    known = rows["label"].notna().to_numpy()
    several = kind.truth == "labels"
    return _Looked(
        sure_of_all(outputs.numbers) if several else outputs.numbers.max(1), known,
        grade_labels(rows["label"][known].tolist(), outputs.numbers[known], kind),
    )  # fmt: skip
