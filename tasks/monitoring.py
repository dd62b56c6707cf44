"""How good is the champion on these rows, and how does that compare with its release?"""

from typing import TYPE_CHECKING

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import DataError
from infra.object_store import ObjectStore
from infra.stages import once
from models.adapter import Predictions
from models.contracts import (
    Estimate,
    Evidence,
    ModelKind,
    MonitoringReport,
    Percentiles,
    QualityCheck,
    Release,
    Scores,
    Share,
    Table,
)
from tasks.chosen import without_luck
from tasks.grading import grade, telling_metrics
from tasks.metrics.classification import accuracy_fell, f1_fell, looks_worse
from tasks.metrics.summed import got_worse
from tasks.outputs import answers_of, as_answered, confidence_of, outputs_of, request_ms, said_labels, true_labels
from tasks.timing import percentiles

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@task(name="monitor quality", cache_policy=NO_CACHE)
@once("monitor")
def monitor_quality(
    rows: Table, scores: Scores, champion: Release, baseline_scores: Scores, *, evidence: Evidence | None, kind: ModelKind,
    store: ObjectStore,
) -> MonitoringReport:  # fmt: skip
    """Labelled rows against what the version measured at its release; the rest needs no labels. `evidence`: why it was
    released; None of a first champion."""
    import pandas as pd

    if not rows.rows:
        raise DataError("there are no rows to monitor: every row of the window was quarantined; see its reasons")
    frame = pd.read_parquet(store.get_file(rows), columns=["text", "label", "prediction", "latency", "chosen"])
    now, then = (outputs_of(s, store=store) for s in (scores, baseline_scores))
    known = frame["label"].notna().to_numpy()
    return MonitoringReport(
        rows=rows.rows, labelled=int(known.sum()), asked_for=int((known & frame["chosen"].notna()).sum()),
        quality=_quality(champion, evidence, frame[known], _where(now, known), kind),
        confidence=_confidence(now, kind), confidence_at_release=_confidence(then, kind),
        shares=_shares(kind, now, then, frame["label"][known]),
        latency_ms=_latency(frame, now, kind), served_agreement=_agreement(frame, answers_of(now, kind), kind),
    )  # fmt: skip


def _quality(
    champion: Release, evidence: Evidence | None, rows: "pd.DataFrame", outputs: Predictions, kind: ModelKind
) -> tuple[QualityCheck, ...]:
    if not len(rows):
        return ()
    grades = grade(rows, outputs, kind)
    then = {m.metric: m.estimate for m in champion.manifest.measured if m.on == "current"}
    compared = (_check(m, grades.measure(m), then[m]) for m in telling_metrics(kind.metrics) if m in then)
    return tuple(without_luck(check, evidence) for check in compared)


def _check(metric: str, now: Estimate, then: Estimate) -> QualityCheck:
    if metric in ("accuracy", "exact_match"):
        counts = (round(now.value * now.n), now.n, round(then.value * then.n), then.n)
        p_value, test = accuracy_fell(*counts), "Fisher's exact test, one-sided"
    elif metric == "macro_f1":
        p_value, test = f1_fell(now, then), "one-sided, from the intervals"
    elif metric in ("auroc", "ece"):
        p_value, test = looks_worse(metric, now, then), "one-sided, from the intervals' facing sides"
    else:
        p_value, test = got_worse(metric, now, then), "one-sided, Welch, from the jackknife intervals"
    return QualityCheck(metric=metric, now=now, at_release=then, p_value=p_value, test=test)


def _where(outputs: Predictions, chosen: "NDArray[np.bool_]") -> Predictions:
    texts = None if outputs.texts is None else [t for t, is_in in zip(outputs.texts, chosen, strict=True) if is_in]
    return Predictions(outputs.numbers[chosen], outputs.embeddings[chosen], texts)


def _confidence(outputs: Predictions, kind: ModelKind) -> float | None:
    """The mean; None where no answer is given."""
    answered = len(outputs.numbers) and (kind.classifies or outputs.texts is not None)
    told = confidence_of(outputs, kind) if answered else np.zeros(0)
    told = told[~np.isnan(told)]  # an API that gives none
    return float(told.mean()) if len(told) else None


def _shares(kind: ModelKind, now: Predictions, then: Predictions, truth: "pd.Series[str]") -> tuple[Share, ...]:
    """How often each label is the answer; none where answers are written."""
    if not kind.classifies:
        return ()
    said_now, said_then, true = said_labels(now, kind), said_labels(then, kind), true_labels(truth, kind)
    return tuple(
        Share(label=label, predicted=float(said_now[:, i].mean()), predicted_at_release=float(said_then[:, i].mean()),
              labelled=float(true[:, i].mean()) if len(true) else None)
        for i, label in enumerate(kind.labels)
    )  # fmt: skip


def _latency(frame: "pd.DataFrame", outputs: Predictions, kind: ModelKind) -> Percentiles | None:
    """As logged; else, of a hosted model, as it was just seen."""
    values = frame["latency"].dropna().to_numpy(float)
    if kind.hosted and not len(values):
        values = request_ms(outputs, kind)
    return percentiles(values) if len(values) else None


def _agreement(frame: "pd.DataFrame", answers: "NDArray[np.object_] | None", kind: ModelKind) -> float | None:
    """Below 1 means that what was served is not what this version says: another version, or other preprocessing."""
    served = frame["prediction"].notna().to_numpy()
    if answers is None or not served.any():
        return None
    told = [as_answered(cell.strip(), kind) for cell in frame["prediction"][served]]
    return float(np.mean(np.array(told, object) == answers[served]))
