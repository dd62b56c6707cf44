"""How good is the champion on these rows, and how does that compare with its release?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import DataError
from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import Estimate, MonitoringReport, Percentiles, QualityCheck, Release, Scores, Share, Table
from tasks.metrics.classification import accuracy_fell, f1_fell, measure
from tasks.score_files import probability_batches

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class _Answers:
    """What a model said: the label number of every row, and how sure it was on average."""

    predicted: "NDArray[np.int64]"
    confidence: float


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
    frame = pd.read_parquet(store.get_file(rows), columns=["label", "prediction", "latency", "chosen"])
    now, then = (_answers(s, store) for s in (scores, baseline_scores))
    known = frame["label"].notna().to_numpy()
    index = {label: i for i, label in enumerate(labels)}
    truth = np.array([index[label] for label in frame["label"][known]], np.int64)
    quality = _quality(champion, truth, now.predicted[known], len(labels), seed)
    return MonitoringReport(
        rows=rows.rows, labelled=len(truth), asked_for=int((known & frame["chosen"].notna()).sum()), quality=quality,
        confidence=now.confidence, confidence_at_release=then.confidence,
        shares=_shares(labels, now.predicted, then.predicted, truth), latency_ms=_latency(frame),
        served_agreement=_agreement(frame, now.predicted, index),
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


def _agreement(frame: "pd.DataFrame", predicted: "NDArray[np.int64]", index: dict[str, int]) -> float | None:
    """Below 1 means that what was served is not what this version says: another version, or other preprocessing."""
    served = frame["prediction"].notna().to_numpy()
    said = [index.get(label) for label in frame["prediction"][served]]
    return float(np.mean([a == b for a, b in zip(said, predicted[served], strict=True)])) if served.any() else None


def _answers(scores: Scores, store: ObjectStore) -> _Answers:
    predicted, sure = [], 0.0
    for batch in probability_batches(store.get_file(scores.arrays)):
        predicted.append(batch.argmax(1))
        sure += float(batch.max(1).sum(dtype=float))
    numbers = np.concatenate(predicted)
    return _Answers(numbers, sure / max(1, len(numbers)))
