"""What the accuracy on unlabelled rows would be, if a confidence meant there what it meant on labelled ones.

Three estimators, each calibrated on labelled rows that the model never trained on. None sees a change of P(correct |
confidence): in the field notes a real loss of 6 points was called 2, and another domain an improvement. They are extra
alarms beside the drift report, never evidence that all is well.
"""

import math
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from errors import DataError
from models.contracts import Estimate

Method = Literal["CBPE", "ATC", "DoC"]
METHODS: tuple[Method, ...] = get_args(Method)
Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]
RESAMPLES = 1000
BINS = 200
"""Confidences are compared in bins of equal reference mass: half a percent of the rows each."""


def estimate_right(
    method: Method, reference_confidence: NDArray[np.floating], reference_right: NDArray[np.bool_],
    current_confidence: NDArray[np.floating], rng: np.random.Generator,
) -> Estimate:  # fmt: skip
    """Estimated share of right answers on the current rows, with a 95 % percentile bootstrap over the reference rows *and*
    the current ones, so that the interval has the calibration's own uncertainty in it. One confidence a row, 0 to 1. The
    interval is at least as wide as what the smaller side's rows did not show once may be (rule of three, Hanley and
    Lippman-Hand, 1983): a reference without a mistake shows no doubt, and proves no perfection.

    CBPE: mean of the confidence after isotonic calibration on the reference (confidence-based performance estimation;
    Guo et al., ICML 2017, and Zadrozny and Elkan, KDD 2002, on calibration). ATC: share of rows whose confidence is
    above the threshold that as many reference rows exceed as are right (average thresholded confidence; Garg et al.,
    ICLR 2022). DoC: the reference's accuracy plus the difference of the mean confidences (Guillory et al., ICCV 2021).

    Raises DataError for an unknown method, an empty side, and numbers that are not finite.
    """
    _check(method, reference_confidence, current_confidence)
    then, now = reference_confidence.astype(float), current_confidence.astype(float)
    edges = np.unique(np.quantile(then, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = len(edges) + 1
    place_then, place_now = np.searchsorted(edges, then, "right"), np.searchsorted(edges, now, "right")
    labelled = np.bincount(place_then + bins * reference_right, minlength=2 * bins)
    seen = np.bincount(place_now, minlength=bins)
    means = _means(place_then, then, bins), _means(place_now, now, bins)
    score = _SCORES[method]
    value = float(score(labelled[None], seen[None], means)[0])
    drawn = score(
        rng.multinomial(len(then), labelled / len(then), size=RESAMPLES),
        rng.multinomial(len(now), seen / len(now), size=RESAMPLES), means,
    )  # fmt: skip
    low, high = (float(q) for q in np.quantile(drawn, [0.025, 0.975]))
    least = -math.log(0.025) / min(len(then), len(now))
    return Estimate(
        value=value, low=max(0.0, min(low, value - least)), high=min(1.0, max(high, value + least)), n=len(now),
        method=f"{method} calibrated on {len(then):,} labelled rows, bootstrap over both",
    )  # fmt: skip


def _check(method: str, then: NDArray[np.floating], now: NDArray[np.floating]) -> None:
    if method not in _SCORES:
        raise DataError(f"estimator {method!r} is not known; known: {', '.join(_SCORES)}")
    if not len(then) or not len(now):
        raise DataError(
            f"an estimate needs labelled reference rows and current rows; there are {len(then):,} and {len(now):,}. "
            "Label some rows."
        )
    if not (np.isfinite(then).all() and np.isfinite(now).all()):
        raise DataError("some probabilities are not finite, and no estimate can use them; look at the model's outputs")


def _means(place: NDArray[np.intp], confidence: Numbers, bins: int) -> Numbers:
    return np.bincount(place, confidence, bins) / np.maximum(1, np.bincount(place, minlength=bins))


def _cbpe(labelled: Counts, seen: Counts, means: tuple[Numbers, Numbers]) -> Numbers:
    wrong, right = np.split(labelled, 2, axis=1)
    rows, bins = wrong + right, np.arange(seen.shape[1])
    calibrated = np.empty(seen.shape)
    for i, there in enumerate(rows > 0):
        share = right[i, there] / rows[i, there]
        calibrated[i] = np.interp(bins, bins[there], isotonic_regression(share, weights=rows[i, there]).x)
    return (calibrated * seen).sum(1) / seen.sum(1)


def _atc(labelled: Counts, seen: Counts, means: tuple[Numbers, Numbers]) -> Numbers:
    """The bin that holds the threshold counts by the share of its reference rows that are above it."""
    wrong, right = np.split(labelled, 2, axis=1)
    rows = wrong + right
    above = rows.sum(1, keepdims=True) - rows.cumsum(1)
    wanted = right.sum(1, keepdims=True) - above
    counted = np.where(rows > 0, np.clip(wanted / np.maximum(1, rows), 0, 1), wanted > 0)
    return (counted * seen).sum(1) / seen.sum(1)


def _doc(labelled: Counts, seen: Counts, means: tuple[Numbers, Numbers]) -> Numbers:
    wrong, right = np.split(labelled, 2, axis=1)
    rows = wrong + right
    moved = seen @ means[1] / seen.sum(1) - rows @ means[0] / rows.sum(1)
    return np.clip(right.sum(1) / rows.sum(1) + moved, 0, 1)


_SCORES: dict[str, Callable[[Counts, Counts, tuple[Numbers, Numbers]], Numbers]] = {
    "CBPE": _cbpe, "ATC": _atc, "DoC": _doc,
}  # fmt: skip
