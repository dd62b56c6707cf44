"""Accuracy and macro F1 with intervals, and differences between two models on the same rows.

Arrays hold label numbers (int64), one entry a row.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from errors import UnmeasuredMetric
from models.contracts import Estimate

Labels = NDArray[np.int64]
RESAMPLES = 2000


def measure(metric: str, truth: Labels, predicted: Labels, *, labels: int, seed: int) -> Estimate:
    """A metric with its 95 % interval: Wilson (1927) for accuracy, a seeded percentile bootstrap for macro F1."""
    if not len(truth):
        raise UnmeasuredMetric(f"{metric} needs labelled rows, and there are none; label some")
    if metric == "accuracy":
        return _wilson(int((truth == predicted).sum()), len(truth))
    if metric == "macro_f1":
        draws = _resampled(_cells(truth, predicted, labels), len(truth), np.random.default_rng(seed))
        scores = macro_f1(draws.reshape(-1, labels, labels))
        value = float(macro_f1(_confusion(truth, predicted, labels)[None])[0])
        low, high = np.percentile(scores, [2.5, 97.5])
        return Estimate(value=value, low=min(value, low), high=max(value, high), n=len(truth), method="bootstrap")
    raise UnmeasuredMetric(f"metric {metric!r} is not known for classification; known: accuracy, macro_f1")


def paired_difference(
    metric: str, truth: Labels, champion: Labels, candidate: Labels, *, labels: int, seed: int, level: float = 0.95
) -> Estimate:
    """Candidate minus champion on the same rows: a seeded percentile bootstrap over rows (Efron, 1979).

    A pair of predictions is a cell of truth × champion × candidate, and resampling rows is drawing cell counts from
    a multinomial: exact, and as quick for a million rows as for fifty. Where resampling shows less doubt than a
    share of zero in n rows leaves (rule of three), the interval is widened to that.
    """
    if not len(truth):
        raise UnmeasuredMetric(f"the difference in {metric} needs labelled rows, and there are none; label some")
    cells = (truth * labels + champion) * labels + candidate
    counts = np.bincount(cells, minlength=labels**3).astype(float)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(truth), counts / counts.sum(), size=RESAMPLES).astype(float)
    shape = (-1, labels, labels, labels)
    value = float(_difference(metric, counts.reshape(shape))[0])
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(_difference(metric, drawn.reshape(shape)), [tail, 100 - tail])
    least = -math.log((1 - level) / 2) / len(truth)
    return Estimate(
        value=value, low=max(-1.0, min(float(low), value - least)), high=min(1.0, max(float(high), value + least)),
        n=len(truth), method=f"paired bootstrap, {level:.1%} interval",
    )  # fmt: skip


def accuracy_fell(now_correct: int, now_rows: int, then_correct: int, then_rows: int) -> float:
    """One-sided p-value that accuracy now is no lower than then: Fisher's exact test."""
    table = [[now_correct, now_rows - now_correct], [then_correct, then_rows - then_correct]]
    return float(stats.fisher_exact(table, alternative="less").pvalue)


def f1_fell(now: Estimate, then: Estimate) -> float:
    """One-sided p-value from the two intervals, taken as normal: good enough for a number that is only shown."""
    spread = math.hypot(now.high - now.low, then.high - then.low) / (2 * 1.96)
    return float(stats.norm.cdf((now.value - then.value) / spread)) if spread else 1.0


def macro_f1(confusions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Macro F1 of confusion matrices (draws × truth × predicted), over the labels that occur in each."""
    hits = np.diagonal(confusions, axis1=1, axis2=2)
    both = confusions.sum(1) + confusions.sum(2)
    present = both > 0
    f1 = np.where(present, 2 * hits / np.where(present, both, 1), 0)
    return f1.sum(1) / np.maximum(1, present.sum(1))


def _difference(metric: str, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of counts in (draws × truth × champion × candidate)."""
    champion, candidate = counts.sum(3), counts.sum(2)
    if metric == "macro_f1":
        return macro_f1(candidate) - macro_f1(champion)
    if metric != "accuracy":
        raise UnmeasuredMetric(f"metric {metric!r} is not known for classification; known: accuracy, macro_f1")
    rows = counts.sum((1, 2, 3))
    right = [np.trace(c, axis1=1, axis2=2) for c in (candidate, champion)]
    return (right[0] - right[1]) / rows


def _wilson(correct: int, rows: int) -> Estimate:
    interval = stats.binomtest(correct, rows).proportion_ci(0.95, method="wilson")
    return Estimate(value=correct / rows, low=interval.low, high=interval.high, n=rows, method="Wilson")


def _cells(truth: Labels, predicted: Labels, labels: int) -> NDArray[np.float64]:
    return np.bincount(truth * labels + predicted, minlength=labels**2) / len(truth)


def _confusion(truth: Labels, predicted: Labels, labels: int) -> NDArray[np.float64]:
    return np.bincount(truth * labels + predicted, minlength=labels**2).reshape(labels, labels).astype(float)


def _resampled(shares: NDArray[np.float64], rows: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.multinomial(rows, shares, size=RESAMPLES).astype(float)
