"""How good is the champion on these rows, and how does that compare with its release?"""

from typing import TYPE_CHECKING

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import DataError
from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import Estimate, MonitoringReport, Percentiles, QualityCheck, Release, Scores, Share, Table
from tasks.metrics.classification import accuracy_fell, f1_fell, measure

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@task(name="monitor quality", cache_policy=NO_CACHE)
@once("monitor")
def monitor_quality(
    rows: Table, scores: Scores, champion: Release, baseline_scores: Scores, *,
    labels: tuple[str, ...], seed: int, store: ObjectStore,
) -> MonitoringReport:  # fmt: skip
    """Labelled rows against what the version measured at its release; the rest needs no labels."""
    import pandas as pd

    if not rows.rows:
        raise DataError("there are no rows to monitor: every row of the window was quarantined; see its reasons")
    frame = pd.read_parquet(store.get_file(rows))
    now, then = (_probabilities(s, store) for s in (scores, baseline_scores))
    predicted = now.argmax(1)
    known = frame["label"].notna().to_numpy()
    index = {label: i for i, label in enumerate(labels)}
    truth = np.array([index[label] for label in frame["label"][known]], np.int64)
    return MonitoringReport(
        rows=rows.rows, labelled=len(truth), quality=_quality(champion, truth, predicted[known], len(labels), seed),
        confidence=float(now.max(1).mean()), confidence_at_release=float(then.max(1).mean()),
        shares=_shares(labels, predicted, then.argmax(1), truth), latency_ms=_latency(frame),
        served_agreement=_agreement(frame, np.array(labels)[predicted]),
    )  # fmt: skip


def _quality(
    champion: Release, truth: "NDArray[np.int64]", predicted: "NDArray[np.int64]", labels: int, seed: int
) -> tuple[QualityCheck, ...]:
    if not len(truth):
        return ()
    measured = {m.metric: m.estimate for m in champion.manifest.measured if m.on == "current"}
    return tuple(
        _check(metric, measure(metric, truth, predicted, labels=labels, seed=seed), then)
        for metric, then in measured.items()
    )


def _check(metric: str, now: Estimate, then: Estimate) -> QualityCheck:
    if metric == "accuracy":
        counts = (round(now.value * now.n), now.n, round(then.value * then.n), then.n)
        return QualityCheck(metric=metric, now=now, at_release=then, p_value=accuracy_fell(*counts),
                            test="Fisher's exact test, one-sided")  # fmt: skip
    return QualityCheck(metric=metric, now=now, at_release=then, p_value=f1_fell(now, then),
                        test="one-sided, from the bootstrap intervals")  # fmt: skip


def _shares(
    labels: tuple[str, ...], now: "NDArray[np.int64]", then: "NDArray[np.int64]", truth: "NDArray[np.int64]"
) -> tuple[Share, ...]:
    return tuple(
        Share(label=label, predicted=float((now == i).mean()), predicted_at_release=float((then == i).mean()),
              labelled=float((truth == i).mean()) if len(truth) else None)
        for i, label in enumerate(labels)
    )  # fmt: skip


def _latency(frame: "pd.DataFrame") -> Percentiles | None:
    values = frame["latency"].dropna().to_numpy(float)
    if not len(values):
        return None
    p50, p95, p99 = (float(v) for v in np.percentile(values, [50, 95, 99]))
    return Percentiles(p50=p50, p95=p95, p99=p99, n=len(values))


def _agreement(frame: "pd.DataFrame", predicted: "NDArray[np.str_]") -> float | None:
    """Below 1 means that what was served is not what this version says: another version, or other preprocessing."""
    served = frame["prediction"].notna().to_numpy()
    return float((frame["prediction"][served].to_numpy() == predicted[served]).mean()) if served.any() else None


def _probabilities(scores: Scores, store: ObjectStore) -> "NDArray[np.float32]":
    with np.load(store.get_file(scores.arrays)) as arrays:
        return arrays["probabilities"]
