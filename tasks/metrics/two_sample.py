"""Are two samples from one distribution? Tests whose p-values hold at any size, and effects that say how much."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import cdist

Sample = NDArray[np.floating]
MEDIAN_ROWS = 1000
_PERMUTED_AT_ONCE = 500


@dataclass(frozen=True)
class Tested:
    statistic: float
    p_value: float
    effect: float


def mmd(reference: Sample, current: Sample, *, permutations: int, rng: np.random.Generator) -> Tested:
    """Maximum mean discrepancy with a Gaussian kernel and a permutation p-value (Gretton et al., JMLR 2012).

    The biased statistic, kernel width by the median heuristic over rows of the pool, drawn whatever their side (a
    width that knew the sides would have to be chosen again in every permutation); p = (1 + #{permuted >= seen}) /
    (1 + permutations) is valid at every size. Effect: the AUC of the projection on the difference of the means,
    fitted on one half of the rows and measured on the other (0.5: no difference); a change of spread alone moves
    the p-value and not this effect.
    """
    pooled = np.concatenate([reference, current]).astype(np.float64)
    n, m = len(reference), len(current)
    squared = cdist(pooled, pooled, "sqeuclidean")
    chosen = rng.permutation(n + m)[:MEDIAN_ROWS]
    some = squared[np.ix_(chosen, chosen)]
    width = float(np.median(some[some > 0])) if (some > 0).any() else 1.0
    kernel = np.exp(-squared / width)
    weights = np.concatenate([np.full(n, 1 / n), np.full(m, -1 / m)])
    seen, at_least = float(weights @ kernel @ weights), 0
    for begun in range(0, permutations, _PERMUTED_AT_ONCE):
        size = min(_PERMUTED_AT_ONCE, permutations - begun)
        permuted = rng.permuted(np.broadcast_to(weights, (size, n + m)), axis=1)
        at_least += int((np.einsum("ij,ij->i", permuted, permuted @ kernel) >= seen - 1e-12).sum())
    return Tested(seen, (1 + at_least) / (1 + permutations), _projected_auc(reference, current, rng))


def ks(reference: Sample, current: Sample) -> Tested:
    """Kolmogorov-Smirnov, exact at small sizes and conservative with ties; effect: the largest gap of the CDFs."""
    found = stats.ks_2samp(reference, current, method="auto")
    return Tested(float(found.statistic), float(found.pvalue), float(found.statistic))


def categories(
    reference: NDArray[np.int64], current: NDArray[np.int64], *, kinds: int, permutations: int, rng: np.random.Generator
) -> Tested:
    """Chi-squared over categories with a permutation p-value (exact margins, so small counts are no matter);
    effect: total variation distance."""
    then, now = (np.bincount(side, minlength=kinds).astype(float) for side in (reference, current))
    pooled = then + now
    seen = _chi2(now[None], pooled, len(current))[0]
    whole = pooled.astype(np.int64)
    drawn = rng.multivariate_hypergeometric(whole, len(current), size=permutations, method="marginals").astype(float)
    at_least = int((_chi2(drawn, pooled, len(current)) >= seen - 1e-9).sum())
    distance = float(np.abs(then / then.sum() - now / now.sum()).sum() / 2)
    return Tested(float(seen), (1 + at_least) / (1 + permutations), distance)


def _chi2(now: Sample, pooled: Sample, rows: int) -> Sample:
    total = pooled.sum()
    there = pooled > 0
    expected_now = pooled[there] * rows / total
    expected_then = pooled[there] - expected_now
    off = (now[:, there] - expected_now) ** 2
    return (off / expected_now + off / np.maximum(expected_then, 1e-12)).sum(1)


def _projected_auc(reference: Sample, current: Sample, rng: np.random.Generator) -> float:
    first, second = (rng.permutation(side.astype(np.float64)) for side in (reference, current))
    half_n, half_m = len(first) // 2, len(second) // 2
    if half_n == 0 or half_m == 0:
        return 0.5
    direction = second[:half_m].mean(0) - first[:half_n].mean(0)
    scores = [second[half_m:] @ direction, first[half_n:] @ direction]
    u = stats.mannwhitneyu(scores[0], scores[1]).statistic
    return float(u / (len(scores[0]) * len(scores[1])))
