"""Metrics that are functions of sums over rows: perplexity, BLEU, chrF, ROUGE and other means; and how sure they are.

A row has a few numbers, its statistics; the metric is a smooth function of their sums. So leaving a row out is a
subtraction, and the jackknife (Tukey, 1958; Efron and Stein, 1981) gives the standard error of any of them, alone or
of two models on the same rows, without a random draw: pseudo-values are n·θ - (n-1)·θ without row i, and the interval is
Student's around θ.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from errors import UnmeasuredMetric
from models.contracts import Estimate
from models.measures import METRICS, improvement

Numbers = NDArray[np.float64]
FEWEST = 8
"""Rows below which a standard error means nothing."""
_ALIKE = 1e-12
_LEAST = 1e-300
"""What the logarithm takes for 0."""
UNKNOWN = 10.0
"""Half an interval of which nothing is known: for shares all that they can be, for others a factor of e^10."""


@dataclass(frozen=True)
class Summed:
    """rows × statistics, and what the metric makes of sums of them: (anything × statistics) → anything."""

    name: str
    rows: Numbers
    score: Callable[[Numbers], Numbers]
    method: str = "jackknife"
    """How the value comes about, with its signature where it has one."""

    def where(self, chosen: NDArray[np.bool_]) -> "Summed":
        return Summed(self.name, self.rows[chosen], self.score, self.method)

    def joined(self, other: "Summed") -> "Summed":
        return Summed(self.name, np.concatenate([self.rows, other.rows]), self.score, self.method)

    @property
    def value(self) -> float:
        return float(self.score(self.rows.sum(0, keepdims=True))[0])

    def without_each(self) -> Numbers:
        return self.score(self.rows.sum(0, keepdims=True) - self.rows)


def measure(found: Summed) -> Estimate:
    """The metric with its 95 % interval: on the logarithm's scale for what has no upper end, such as perplexity."""
    _require(len(found.rows), found.name)
    is_share = METRICS[found.name].is_share
    there, back = (_same, _same) if is_share else (_log, _exp)
    value = there(np.array(found.value))
    half = min(UNKNOWN, _half(value, there(found.without_each()), 0.95, apart=float(is_share)))
    low, high = min(found.value, float(back(value - half))), max(found.value, float(back(value + half)))  # it rounds
    if is_share:
        low, high = max(0.0, low), min(1.0, high)
    return Estimate(value=found.value, low=low, high=high, n=len(found.rows), method=found.method)


def improvement_of(champion: Summed, candidate: Summed, *, level: float = 0.95) -> Estimate:
    """By how much the candidate is better, as `models.measures.improvement` counts it, on the same rows."""
    _require(len(champion.rows), champion.name)
    value = improvement(champion.name, champion.value, candidate.value)
    pairs = zip(champion.without_each().tolist(), candidate.without_each().tolist(), strict=True)
    each = np.array([improvement(champion.name, before, after) for before, after in pairs])
    found = METRICS[champion.name]
    half = _half(np.array(value), each, level, apart=1 + abs(value) if found.is_share else 1.0)
    least = -math.inf if found.better == "less" and not found.is_share else -1.0
    most = 1.0 if found.better == "less" or found.is_share else math.inf
    return Estimate(value=value, low=max(least, value - half), high=min(most, value + half), n=len(champion.rows),
                    method=f"paired jackknife, {level:.1%} interval")  # fmt: skip


def got_worse(name: str, now: Estimate, then: Estimate) -> float:
    """One-sided p-value that the metric is no worse now than then: of two samples that share no row, from their 95 %
    intervals, by Student's distribution with the smaller sample's degrees of freedom (conservative Welch). Where the rows
    of each sample are alike, or one has nothing but 0, by permutation: how few orders part them as these two are parted."""
    better = METRICS[name].better
    errors = [standard_error(name, e) for e in (now, then)]
    if better == "neither" or now.tells_nothing or then.tells_nothing or any(map(_is_unknown, errors, (now.n, then.n))):
        return 1.0
    worse = _gap(name, now.value, then.value) * (1 if better == "less" else -1)
    if (spread := math.hypot(*errors)) <= _ALIKE:
        return _one_order(now.n, then.n) if worse > _ALIKE else 1.0
    if not METRICS[name].is_share and min(now.value, then.value) <= _LEAST:
        none, some = sorted((then, now), key=lambda found: found.value)
        return _all_on_one_side(none.n, some.n, max(errors)) if worse > 0 else 1.0
    return float(stats.t.sf(worse / spread, max(1, min(now.n, then.n) - 1)))


def _gap(name: str, now: float, then: float) -> float:
    """On the scale of the standard errors; of a number beside 0, of which there is no logarithm, its sign."""
    if METRICS[name].is_share:
        return now - then
    return math.log(now) - math.log(then) if min(now, then) > _LEAST else float(np.sign(now - then))


def _one_order(rows: int, others: int) -> float:
    """1 / (rows + others choose rows)."""
    return math.exp(math.lgamma(rows + 1) + math.lgamma(others + 1) - math.lgamma(rows + others + 1))


def _all_on_one_side(none: int, rows: int, error: float) -> float:
    """How often chance leaves all rows that are not 0 among `rows`, and of `none` others not one. The relative error of their
    mean tells how many they are, or that they weigh as much as so few."""
    return float((rows / (rows + none)) ** (1 / (error**2 + 1 / rows)))


def _is_unknown(error: float, rows: int) -> bool:
    return error * _quantile(rows, 0.95) >= UNKNOWN * (1 - _ALIKE)


def standard_error(name: str, found: Estimate) -> float:
    """Behind a 95 % interval, of the metric or, where it has no upper end, of its logarithm. Of an interval that ends at 0
    or 1 the longer side counts: the shorter one was cut."""
    there = _same if METRICS[name].is_share else _log
    return float(np.diff(there(np.array([found.low, found.value, found.high]))).max()) / _quantile(found.n, 0.95)


def _half(value: Numbers, without: Numbers, level: float, *, apart: float) -> float:
    """Half an interval's width. Where all rows but a few are alike, that proves little of others: what n rows did not show
    once may be a share of -ln((1 - level) / 2) / n (rule of three, two-sided; Hanley and Lippman-Hand, 1983), and lie as far
    as `apart` from the others: a difference of shares may be -1 where all that was seen is 1. 0: nobody knows how far."""
    rows = len(without)
    if rows < FEWEST:
        return UNKNOWN
    pseudo = rows * value - (rows - 1) * without
    half = float(_quantile(rows, level) * pseudo.std(ddof=1) / math.sqrt(rows))
    alike = np.abs(without - np.median(without)) <= _ALIKE * max(1.0, abs(float(value)))
    few = rows - int(alike.sum()) < FEWEST
    return max(half, -apart * math.log((1 - level) / 2) / rows) if few else half


def _quantile(rows: int, level: float) -> float:
    return float(stats.t.isf((1 - level) / 2, max(1, rows - 1)))


def _require(rows: int, name: str) -> None:
    if not rows:
        raise UnmeasuredMetric(f"{name} needs rows whose truth is known, and there are none; label some")


def _same(value: Numbers) -> Numbers:
    return value


def _log(value: Numbers) -> Numbers:
    return np.log(np.maximum(value, _LEAST))


def _exp(value: Numbers) -> Numbers:
    return np.where(value > np.log(_LEAST), np.exp(value), 0.0)
