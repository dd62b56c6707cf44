"""Beside the quality that labels show: what label-free methods make of it, and how far off they were once labels came.

They are extra alarms. That they see nothing is no evidence of safety: in the field notes they called a real loss of six
points two, and another domain an improvement.
"""

from typing import TYPE_CHECKING, Literal

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import LabelFreeEstimate, ModelKind, MonitoringReport, Scores, Table
from tasks.metrics.classification import measure
from tasks.metrics.estimators import estimate_accuracy
from tasks.outputs import outputs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHODS: tuple[tuple[Literal["CBPE", "ATC", "DoC"], Literal["cbpe", "atc", "doc"]], ...] = (
    ("CBPE", "cbpe"), ("ATC", "atc"), ("DoC", "doc"),
)  # fmt: skip
CALIBRATED_FROM = 30
"""Fewer labelled baseline rows calibrate nothing."""
SCORED_FROM = 50
"""Fewer labels score no method: their own interval is wider than what it is to be held to."""
UNKNOWN = -1


@task(name="estimate without labels", cache_policy=NO_CACHE)
@once("estimates")
def estimate_without_labels(
    monitoring: MonitoringReport, rows: Table, scores: Scores, baseline: Table, baseline_scores: Scores, *,
    kind: ModelKind, store: ObjectStore,
) -> MonitoringReport:  # fmt: skip
    """The report with its estimates (of classifiers only): of all rows; of the labelled ones alone where these are enough to score them."""
    if kind.truth != "label":
        return monitoring
    labels, seed = kind.labels, kind.seed
    then, true_then = outputs_of(baseline_scores, store=store).numbers, _truth(baseline, labels, store)
    calibrating = true_then != UNKNOWN
    if calibrating.sum() < CALIBRATED_FROM:
        return monitoring
    now, truth = outputs_of(scores, store=store).numbers, _truth(rows, labels, store)
    known = truth != UNKNOWN
    scored = known.sum() >= SCORED_FROM
    looked_at = now[known] if scored else now
    told = measure("accuracy", truth[known], looked_at.argmax(1), labels=len(labels), seed=seed) if scored else None
    rng = np.random.default_rng(seed)
    found = (
        LabelFreeEstimate(
            method=name, truth=told,
            estimate=estimate_accuracy(method, then[calibrating], true_then[calibrating], looked_at, rng=rng),
        )
        for name, method in METHODS
    )  # fmt: skip
    return monitoring.model_copy(update={"estimates": tuple(found)})


def _truth(table: Table, labels: tuple[str, ...], store: ObjectStore) -> "NDArray[np.int64]":
    """Label numbers of all rows; `UNKNOWN` where the truth is not known."""
    import pyarrow.parquet as pq

    names = pq.read_table(store.get_file(table), columns=["label"])["label"].to_pylist()
    index = {label: i for i, label in enumerate(labels)}
    return np.array([UNKNOWN if name is None else index[name] for name in names], np.int64)
