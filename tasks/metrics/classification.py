"""Accuracy and macro F1 with intervals, and differences between two models on the same rows.

Arrays hold label numbers (int64), one entry a row.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from errors import UnmeasuredMetric
from models.contracts import Estimate

Labels = NDArray[np.int64]
Numbers = NDArray[np.float64]
RESAMPLES = 2000
_DRAWN_AT_ONCE = 20_000_000


def measure(metric: str, truth: Labels, predicted: Labels, *, labels: int, seed: int) -> Estimate:
    """A metric with its 95 % interval: Wilson (1927) for accuracy, a seeded percentile bootstrap for macro F1.

    Raises UnmeasuredMetric without rows, and for a metric that is not known.
    """
    if not len(truth):
        raise UnmeasuredMetric(f"{metric} needs labelled rows, and there are none; label some")
    if metric == "accuracy":
        return _wilson(int((truth == predicted).sum()), len(truth))
    (true, said), counts = _cells(labels, truth, predicted)
    found = _bootstrap(lambda drawn: _score(metric, drawn, true, said, labels), counts, level=0.95, seed=seed)
    return found.model_copy(update={"low": max(0.0, found.low), "method": "bootstrap"})


def paired_difference(
    metric: str, truth: Labels, champion: Labels, candidate: Labels, *, labels: int, seed: int, level: float = 0.95
) -> Estimate:
    """Candidate minus champion on the same rows: a seeded percentile bootstrap over rows (Efron, 1979)."""
    if not len(truth):
        raise UnmeasuredMetric(f"the difference in {metric} needs labelled rows, and there are none; label some")
    (true, first, second), counts = _cells(labels, truth, champion, candidate)

    def difference(drawn: Numbers) -> Numbers:
        return _score(metric, drawn, true, second, labels) - _score(metric, drawn, true, first, labels)

    return _bootstrap(difference, counts, level=level, seed=seed)


def rows_needed(margin: float, *, discordance: float, level: float = 0.95) -> int:
    """Rows at which the paired interval reaches less than `margin` to either side of no difference.

    `discordance`: share of rows that only one of the two models gets right. Normal approximation of McNemar's
    difference (Connor, Biometrics 1987), and never fewer than `paired_difference`'s least width asks for.
    """
    if not 0 < margin <= 1 or not 0 <= discordance <= 1:
        raise UnmeasuredMetric(f"margin {margin} must lie in (0, 1] and discordance {discordance} in [0, 1]")
    z = float(stats.norm.isf((1 - level) / 2))
    return 1 + math.floor(max(z**2 * discordance / margin**2, -math.log((1 - level) / 2) / margin))


def accuracy_fell(now_correct: int, now_rows: int, then_correct: int, then_rows: int) -> float:
    """One-sided p-value that accuracy now is no lower than then: Fisher's exact test."""
    table = [[now_correct, now_rows - now_correct], [then_correct, then_rows - then_correct]]
    return float(stats.fisher_exact(table, alternative="less").pvalue)


def f1_fell(now: Estimate, then: Estimate) -> float:
    """One-sided p-value from the two intervals, taken as normal: good enough for a number that is only shown."""
    spread = math.hypot(now.high - now.low, then.high - then.low) / (2 * 1.96)
    return float(stats.norm.cdf((now.value - then.value) / spread)) if spread else 1.0


def _bootstrap(
    statistic: Callable[[Numbers], Numbers], counts: NDArray[np.int64], *, level: float, seed: int
) -> Estimate:
    """Resampling rows is drawing the counts of their distinct kinds from a multinomial: exact, and as quick for a
    million rows as for fifty.

    Where resampling shows less doubt than a share of zero in n rows leaves (rule of three, Hanley and
    Lippman-Hand, 1983), the interval is widened to that: five rows without a mistake do not prove perfection.
    """
    rng, rows = np.random.default_rng(seed), int(counts.sum())
    at_once = max(1, _DRAWN_AT_ONCE // len(counts))
    sizes = [min(at_once, RESAMPLES - begun) for begun in range(0, RESAMPLES, at_once)]
    drawn = [statistic(rng.multinomial(rows, counts / rows, size=size).astype(float)) for size in sizes]
    value = float(statistic(counts[None].astype(float))[0])
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(drawn), [tail, 1 - tail])
    least = -math.log(tail) / rows
    return Estimate(
        value=value, low=max(-1.0, min(float(low), value - least)), high=min(1.0, max(float(high), value + least)),
        n=rows, method=f"paired bootstrap, {level:.1%} interval, at least the rule of three's width",
    )  # fmt: skip


def _cells(labels: int, *columns: Labels) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.int64]]:
    """The kinds of rows that occur, one array a column, and how often each does: few, however many the labels."""
    codes, counts = np.unique(np.ravel_multi_index(columns, (labels,) * len(columns)), return_counts=True)
    return np.unravel_index(codes, (labels,) * len(columns)), counts


def _score(metric: str, drawn: Numbers, truth: NDArray[np.intp], said: NDArray[np.intp], labels: int) -> Numbers:
    """The metric of each draw (draws × kinds of rows)."""
    right = truth == said
    if metric == "accuracy":
        return drawn @ right / drawn.sum(1)
    if metric != "macro_f1":
        raise UnmeasuredMetric(f"metric {metric!r} is not known for classification; known: accuracy, macro_f1")
    one_hot = np.eye(labels)
    hits = drawn[:, right] @ one_hot[truth[right]]
    both = drawn @ (one_hot[truth] + one_hot[said])
    present = both > 0  # a label that is neither true nor predicted has no F1
    f1 = np.where(present, 2 * hits / np.where(present, both, 1), 0)
    return f1.sum(1) / np.maximum(1, present.sum(1))


def _wilson(correct: int, rows: int) -> Estimate:
    interval = stats.binomtest(correct, rows).proportion_ci(0.95, method="wilson")
    return Estimate(value=correct / rows, low=interval.low, high=interval.high, n=rows, method="Wilson")
