"""How many labels it takes to prove that a model became worse."""

import math

from scipy import stats

from errors import UnmeasuredMetric

MOST_LABELS = 10_000_000


def power_of_labels(
    labels: int, *, accuracy_then: float, rows_then: int, drop: float, p_value: float = 0.01, least_drop: float = 0.0
) -> float:
    """Probability that so many labelled rows show a true `drop`: that `accuracy_fell` comes out at most at `p_value`,
    and that the drop that is seen is at least `least_drop`.

    `accuracy_then` was measured on `rows_then` rows. Normal approximation of Fisher's one-sided test, with its
    correction for continuity (Casagrande, Pike and Smith, Biometrics 1978); within 0.03 of simulation from 50 labels
    on. Raises UnmeasuredMetric for numbers that cannot be.
    """
    if labels < 1 or rows_then < 1 or not 0 < drop <= accuracy_then <= 1 or not 0 < p_value < 1:
        raise UnmeasuredMetric(
            f"power needs rows ({labels} and {rows_then}), a drop ({drop}) above 0 and no larger than the accuracy "
            f"({accuracy_then}), and a p-value ({p_value}) between 0 and 1"
        )
    now, per_row = accuracy_then - drop, 1 / labels + 1 / rows_then
    pooled = (labels * now + rows_then * accuracy_then) / (labels + rows_then)
    needed = stats.norm.isf(p_value) * math.sqrt(pooled * (1 - pooled) * per_row) + per_row / 2
    spread = math.sqrt(now * (1 - now) / labels + accuracy_then * (1 - accuracy_then) / rows_then)
    beyond = drop - max(float(needed), least_drop)
    return float(stats.norm.cdf(beyond / spread)) if spread else float(beyond >= 0)


def labels_needed(
    power: float, *, accuracy_then: float, rows_then: int, drop: float, p_value: float = 0.01, least_drop: float = 0.0
) -> int | None:
    """The fewest labels that have this power; None where no number has it, because `rows_then` are too few to know
    the accuracy then, or `drop` does not exceed `least_drop`."""

    def enough(labels: int) -> bool:
        return power <= power_of_labels(
            labels, accuracy_then=accuracy_then, rows_then=rows_then, drop=drop, p_value=p_value, least_drop=least_drop
        )

    if not enough(MOST_LABELS):
        return None
    low, high = 0, MOST_LABELS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
