"""How often a judge that is a model prefers one of two others, and how sure that is. What people prefer is in `agreement.py`,
which commands that only look import, and so without scipy.stats."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from models.contracts import Comparison, Estimate
from tasks.metrics.language import mean
from tasks.metrics.summed import improvement_of, measure

LEVEL = 0.95
METRIC = "win_rate"


def compare_by_wins(won: Sequence[float], *, flipped: int) -> Comparison:
    """`won` by the candidate, of each pair: 1, 0, or a half where neither is better. Raises UnmeasuredMetric without pairs.

    `flipped` of the halves are no ties: the verdict went with the order. Each adds the doubt of a coin that was not
    thrown, or else a judge that always names the first would prove, very surely, that both are alike.
    """
    ours = np.array(won, float)
    champion, candidate = mean(METRIC, 1 - ours, "mean, jackknife"), mean(METRIC, ours, "mean, jackknife")
    return Comparison(
        on="current", metric=METRIC, champion=_doubted(measure(champion), flipped, least=0.0, scale=1),
        candidate=_doubted(measure(candidate), flipped, least=0.0, scale=1),
        difference=_doubted(improvement_of(champion, candidate), flipped, least=-1.0, scale=2),
    )  # fmt: skip


def _doubted(found: Estimate, flipped: int, *, least: float, scale: int) -> Estimate:
    coins = scale * float(stats.norm.isf((1 - LEVEL) / 2)) * math.sqrt(flipped / 4) / found.n
    low, high = math.hypot(found.value - found.low, coins), math.hypot(found.high - found.value, coins)
    method = f"{found.method}, and {flipped} coins for flipped pairs" if flipped else found.method
    return found.model_copy(update={
        "low": max(least, found.value - low), "high": min(1.0, found.value + high), "method": method,
    })  # fmt: skip
