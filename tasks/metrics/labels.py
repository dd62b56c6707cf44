"""How surely so many labels prove that a model became worse."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from errors import UnmeasuredMetric
from models.contracts import Estimate
from models.measures import METRICS
from tasks.metrics.summed import standard_error

_OUTCOMES = 40


def power_of_labels(
    labels: int, *, accuracy_then: float, rows_then: int, drop: float, p_value: float = 0.01, least_drop: float = 0.0,
    luck: float = 0.0,
) -> float:  # fmt: skip
    """Probability that so many labelled rows show a true `drop`: that `accuracy_fell` comes out at most at `p_value`,
    and that the drop that is seen is at least `least_drop`.

    `accuracy_then` is the true one at release, measured on `rows_then` rows; or `luck` above it, for which the model was
    released. Fisher's test is conservative at these sizes and normal approximations promise up to 0.08 too much, so the
    binomial is summed instead, over `_OUTCOMES` equally likely outcomes of the measurement at release. Raises
    UnmeasuredMetric for numbers that cannot be.
    """
    if labels < 1 or rows_then < 1 or not 0 < drop <= accuracy_then <= 1 or not 0 < p_value < 1:
        raise UnmeasuredMetric(
            f"power needs rows ({labels} and {rows_then}), a drop ({drop}) above 0 and no larger than the accuracy "
            f"({accuracy_then}), and a p-value ({p_value}) between 0 and 1"
        )
    then = stats.binom.ppf((np.arange(_OUTCOMES) + 0.5) / _OUTCOMES, rows_then, accuracy_then)
    seen = np.floor(labels * (then / rows_then - least_drop) + 1e-9)
    most_correct = np.minimum(_most_that_proves(labels, then, rows_then, p_value), seen)
    return float(stats.binom.cdf(most_correct, labels, max(0.0, accuracy_then - luck - drop)).mean())


def power_of_a_loss(
    labels: int, then: Estimate, *, metric: str, drop: float, p_value: float, least_drop: float = 0.0, luck: float = 0.0
) -> float:
    """The same for a metric that is a function of sums, approximately: rows are taken to vary as they did at release.

    `drop`: points of a share, else a share of the value then; `luck` likewise, of the logarithm.
    """
    is_share, spread = METRICS[metric].is_share, spread_of_loss(labels, then, metric=metric)
    true, least = (loss if is_share else math.log1p(loss) for loss in (drop, least_drop))
    needed = max(stats.norm.isf(p_value) * spread, least)
    return float(stats.norm.sf((needed - true - luck) / spread)) if spread else 0.0


def spread_of_loss(labels: int, then: Estimate, *, metric: str) -> float:
    """The standard error of what so many labels will say was lost, if rows vary as they did at release."""
    at_release = standard_error(metric, then)
    return math.hypot(at_release, at_release * math.sqrt(then.n / max(1, labels)))


def _most_that_proves(labels: int, then: NDArray[np.float64], rows_then: int, p_value: float) -> NDArray[np.float64]:
    """The most correct ones of the labels at which Fisher's one-sided test still rejects; -1: none does."""
    low, high = np.full(len(then), -1.0), np.full(len(then), float(labels))
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        proves = stats.hypergeom.cdf(middle, labels + rows_then, middle + then, labels) <= p_value
        low, high = np.where(proves & (middle > low), middle, low), np.where(proves, high, middle)
    return low
