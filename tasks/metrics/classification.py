"""Accuracy and macro F1 with intervals, and whether they fell.

Arrays hold label numbers (int64), one entry a row.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from errors import UnmeasuredMetric
from models.contracts import Estimate
from models.measures import METRICS
from tasks.metrics.bootstrap import Numbers, bootstrap

Labels = NDArray[np.int64]


def measure(metric: str, truth: Labels, predicted: Labels, *, labels: int, seed: int) -> Estimate:
    """A metric with its 95 % interval: Wilson (1927) for accuracy, a seeded percentile bootstrap for macro F1.

    Raises UnmeasuredMetric without rows, and for a metric that is not known.
    """
    if not len(truth):
        raise UnmeasuredMetric(f"{metric} needs labelled rows, and there are none; label some")
    if metric == "accuracy":
        return wilson(int((truth == predicted).sum()), len(truth))
    (true, said), counts = cells(labels, truth, predicted)
    found = bootstrap(lambda drawn: score(metric, drawn, true, said, labels), counts, level=0.95, seed=seed)
    return found.model_copy(update={"low": max(0.0, found.low), "method": "bootstrap"})


def accuracy_fell(now_correct: int, now_rows: int, then_correct: int, then_rows: int) -> float:
    """One-sided p-value that accuracy now is no lower than then: Fisher's exact test."""
    table = [[now_correct, now_rows - now_correct], [then_correct, then_rows - then_correct]]
    return float(stats.fisher_exact(table, alternative="less").pvalue)


def f1_fell(now: Estimate, then: Estimate) -> float:
    """One-sided p-value from the two intervals, taken as normal: good enough for a number that is only shown."""
    if now.tells_nothing or then.tells_nothing:
        return 1.0
    spread = math.hypot(now.high - now.low, then.high - then.low) / (2 * 1.96)
    return float(stats.norm.cdf((now.value - then.value) / spread)) if spread else 1.0


def looks_worse(metric: str, now: Estimate, then: Estimate) -> float:
    """One-sided p-value from two intervals that need not be symmetric, each by its side that faces the other (Zou and
    Donner, Statistics in Medicine 2008): of two samples that share no row, and good enough for what is only shown."""
    if now.tells_nothing or then.tells_nothing:
        return 1.0
    less = METRICS[metric].better == "less"
    gap = now.value - then.value if less else then.value - now.value
    sides = (now.value - now.low, then.high - then.value) if less else (now.high - now.value, then.value - then.low)
    spread = math.hypot(*sides) / 1.96
    return float(stats.norm.sf(gap / spread)) if spread else 1.0


def cells(labels: int, *columns: Labels) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.int64]]:
    """The kinds of rows that occur, one array a column, and how often each does: few, however many the labels."""
    codes, counts = np.unique(np.ravel_multi_index(columns, (labels,) * len(columns)), return_counts=True)
    return np.unravel_index(codes, (labels,) * len(columns)), counts


def score(metric: str, drawn: Numbers, truth: NDArray[np.intp], said: NDArray[np.intp], labels: int) -> Numbers:
    """The metric of each draw (draws × kinds of rows); accuracy has intervals that need no draws."""
    if metric != "macro_f1":
        raise UnmeasuredMetric(f"metric {metric!r} is not known for classification; known: accuracy, macro_f1")
    one_hot, right = np.eye(labels), truth == said
    hits = drawn[:, right] @ one_hot[truth[right]]
    both = drawn @ (one_hot[truth] + one_hot[said])
    present = both > 0  # a label that is neither true nor predicted has no F1
    f1 = np.where(present, 2 * hits / np.where(present, both, 1), 0)
    return f1.sum(1) / np.maximum(1, present.sum(1))


def wilson(correct: int, rows: int) -> Estimate:
    """A share with its 95 % interval (Wilson, JASA 1927)."""
    interval = stats.binomtest(correct, rows).proportion_ci(0.95, method="wilson")
    return Estimate(value=correct / rows, low=interval.low, high=interval.high, n=rows, method="Wilson")
