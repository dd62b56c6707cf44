"""Expected calibration error (Guo et al., ICML 2017): by how much a classifier's confidence differs from how often it is
right, in 15 bins of like width.

A bin's mean of `right - confidence` is normal in the limit, and the error is the sum of the bins' absolute means: so its
variance is known from the rows, as a jackknife's would be, and no draw is made. Absolute values are too high on average,
by up to 0.8 standard errors a bin: a perfectly calibrated model of 500 rows measures some 3 %. The value is reported as
everybody computes it; intervals reach as much further down as that may come to.

Where a row has several decisions (one a label), the error is that of all of them, and a row's decisions count as one
observation, since they depend on one another.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from models.contracts import Estimate

BINS = 15
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """`value`: the error; `parts`: each row's part in it; `excess`: by how much the value may be too high on average."""

    value: float
    parts: Numbers
    excess: float


def calibrate(right: NDArray[np.bool_], confidence: NDArray[np.floating]) -> Calibration:
    """Whether each row's answer is right, and how sure the model was of it; or rows × decisions of both."""
    rows = len(right)
    sure = confidence.astype(float).reshape(rows, -1)
    gap = (right.reshape(sure.shape) - sure) / sure.shape[1]
    bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    places = bins + BINS * np.arange(rows)[:, None]
    sums = np.bincount(places.ravel(), weights=gap.ravel(), minlength=BINS * rows).reshape(rows, BINS)
    means, squares = sums.mean(0), (sums**2).mean(0)
    errors = np.sqrt(np.maximum(0.0, squares - means**2) / rows)
    parts = (np.sign(means)[bins] * gap).sum(1)
    return Calibration(float(np.abs(means).sum()), parts, _excess(np.abs(means), errors))


def measure_ece(found: Calibration) -> Estimate:
    """With its 95 % interval."""
    half = _half(found.parts, 0.95)
    return Estimate(value=found.value, low=max(0.0, found.value - found.excess - half), high=min(1.0, found.value + half),
                    n=len(found.parts), method=f"{BINS} bins, interval with room for its bias")  # fmt: skip


def ece_gained(champion: Calibration, candidate: Calibration, *, level: float) -> Estimate:
    """By how much the candidate's error is less, on the same rows. The two errors' biases cancel as far as they are
    alike; for what is left of them there is room."""
    half, more = _half(champion.parts - candidate.parts, level), champion.excess - candidate.excess
    value = champion.value - candidate.value
    return Estimate(value=value, low=max(-1.0, value - max(0.0, more) - half), high=min(1.0, value + max(0.0, -more) + half),
                    n=len(champion.parts), method=f"paired, {BINS} bins, {level:.1%} interval")  # fmt: skip


def _excess(sizes: Numbers, errors: Numbers) -> float:
    """Of the mean of a folded normal distribution over its true size, were each bin's a standard error smaller."""
    known = errors > 0
    true, error = np.maximum(0.0, sizes - errors)[known], errors[known]
    z = true / error
    return float((error * math.sqrt(2 / math.pi) * np.exp(-(z**2) / 2) - 2 * true * stats.norm.cdf(-z)).sum())


def _half(parts: Numbers, level: float) -> float:
    """Student's, and at least what the rule of three leaves (Hanley and Lippman-Hand, 1983)."""
    rows, tail = len(parts), (1 - level) / 2
    spread = float(parts.std(ddof=1)) / math.sqrt(rows) if rows > 1 else 1.0
    return max(float(stats.t.isf(tail, max(1, rows - 1))) * spread, -math.log(tail) / rows)
