"""Are two samples from one distribution? Tests whose p-values hold at any size, and effects that say how much."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from errors import DataError
from tasks.metrics.kernel import kernel_features
from tasks.metrics.monte_carlo import sequential_p
from tasks.metrics.whitening import whiten

Sample = NDArray[np.floating]
_CELLS_AT_ONCE = 1_000_000
_KS_ALWAYS, _KS_CELLS, _KS_TINY = 1_000_000, 1_000_000_000, 1e-6


@dataclass(frozen=True)
class Tested:
    statistic: float
    p_value: float
    effect: float


def mmd(reference: Sample, current: Sample, *, permutations: int, rng: np.random.Generator) -> Tested:
    """Maximum mean discrepancy with a Gaussian kernel and a permutation p-value (Gretton et al., JMLR 2012).

    Samples are rows × width; `permutations` is the most that are drawn (`sequential_p`: a quiet window is done after
    some fifty, so that a small share of alpha may ask for many). The p-value holds at every size, because whatever is
    fitted is fitted to the pool, without a look at the sides: the axes (`whiten`), the kernel's width (median
    heuristic) and the landmarks that span it (Nyström's approximation; Chatalic et al., "An efficient
    permutation-based kernel two-sample test", 2025). No matrix is larger than rows × `kernel.LANDMARKS`.

    Effect: the AUC of the projection on the difference of the means, fitted on one half of the rows and measured on
    the other, and the other way round (0.5: no difference); a change of spread alone moves the p-value and not this
    effect. Raises DataError for an empty side and for numbers that are not finite.
    """
    n, _ = _sizes(reference, current)
    pooled = whiten(np.concatenate([reference, current])).astype(np.float32)
    features = kernel_features(pooled, rng)
    statistic = float(np.square(features[:n].mean(0) - features[n:].mean(0)).sum())
    p_value = _permutation_p(features, n, permutations, rng)
    return Tested(statistic, p_value, _projected_auc(pooled[:n], pooled[n:], rng))


def ks(reference: Sample, current: Sample) -> Tested:
    """Kolmogorov-Smirnov, conservative with ties; effect: the largest gap of the CDFs.

    Exact where rows × rows are at most a million, and up to a billion where the p-value is not tiny; above, by the
    limit, whose p-value was within 1 % of the exact one at these sizes and up to 5 % too small just above 10,000. Of a
    tiny one only a bound is worked out (`_ks_at_most`): nobody is told more of it than that it is tiny, and to count
    its paths, or to evaluate the limit so far out, takes several times as long as to find the gap. Raises DataError for an
    empty side and for numbers that are not finite.
    """
    n, m = _sizes(reference, current)
    _finite(np.concatenate([reference, current]))
    gap = _largest_gap(reference, current)
    if n * m > _KS_ALWAYS and (at_most := _ks_at_most(gap, n, m)) <= _KS_TINY:
        return Tested(gap, at_most, gap)
    found = stats.ks_2samp(reference, current, method="exact" if n * m <= _KS_CELLS else "asymp")
    return Tested(gap, float(found.pvalue), gap)


def _largest_gap(reference: Sample, current: Sample) -> float:
    sides = np.sort(reference), np.sort(current)
    values = np.concatenate(sides)
    below = [np.searchsorted(side, values, side="right") / len(side) for side in sides]
    return float(np.abs(below[0] - below[1]).max())


def _ks_at_most(gap: float, n: int, m: int) -> float:
    """Two samples' Dvoretzky-Kiefer-Wolfowitz inequality with Massart's constant 2 (Wei and Dudley, "Two-sample
    Dvoretzky-Kiefer-Wolfowitz inequalities", 2012: proven for equal sizes from 458 on, and found to hold at all of the
    unequal sizes that they computed, but for three of at most 3 rows)."""
    return 2 * math.exp(-2 * gap**2 * n * m / (n + m))


def ks_larger(reference: Sample, current: Sample) -> Tested:
    """Kolmogorov-Smirnov, one-sided: are current numbers larger? Effect: by how much more of the reference's numbers lie
    below some value, at the most. Exact where the paths can be counted (some thousand rows together, or as many on each
    side); beyond, by the limit, whose p-value was at most 2 % too small there. Raises as `ks` does."""
    n, m = _sizes(reference, current)
    _finite(np.concatenate([reference, current]))
    counted = n == m or math.isfinite(special.binom(n + m, n))
    found = stats.ks_2samp(reference, current, alternative="greater", method="exact" if counted else "asymp")
    return Tested(float(found.statistic), float(found.pvalue), float(found.statistic))


def categories(
    reference: NDArray[np.int64], current: NDArray[np.int64], *, kinds: int, permutations: int, rng: np.random.Generator
) -> Tested:
    """Chi-squared over categories with a permutation p-value (exact margins, so small counts are no matter), of at
    most so many `permutations`; effect: total variation distance. Raises DataError for an empty side."""
    _sizes(reference, current)
    then, now = (np.bincount(side, minlength=kinds) for side in (reference, current))
    pooled = then + now
    there = pooled > 0
    seen = float(_chi2(now[None, there], pooled[there])[0])

    def reaches(size: int) -> NDArray[np.bool_]:
        drawn = rng.multivariate_hypergeometric(pooled[there], len(current), size=size, method="marginals")
        return _chi2(drawn, pooled[there]) >= seen * (1 - 1e-9)

    p_value = sequential_p(reaches, most=permutations, at_once=max(1, _CELLS_AT_ONCE // kinds))
    distance = float(np.abs(then / then.sum() - now / now.sum()).sum() / 2)
    return Tested(seen, p_value, distance)


def _sizes(reference: NDArray[np.generic], current: NDArray[np.generic]) -> tuple[int, int]:
    if not len(reference) or not len(current):
        raise DataError(
            f"a two-sample test needs rows on both sides; there are {len(reference):,} reference and {len(current):,} "
            "current ones. Look at the window's quarantine, or ask for fewer filters."
        )
    return len(reference), len(current)


def _finite(numbers: Sample) -> None:
    if not np.isfinite(numbers).all():
        raise DataError(
            f"{int((~np.isfinite(numbers)).sum())} of {numbers.size} numbers are not finite, and no test can rank them; "
            "look at the model's outputs"
        )


def _permutation_p(features: Sample, n: int, permutations: int, rng: np.random.Generator) -> float:
    """The share of divisions into n and the rest that are as far apart as the first n rows and the others are.

    Features are centred, so that a division's MMD is (1/n + 1/m)² times the squared length of the sum over its n.
    """
    single = features.astype(np.float32, order="C")
    seen = float(np.square(single[:n].sum(0, dtype=np.float64)).sum())
    # A tie counts as reached, and rounding may have parted it: in proportion, or by dust where all rows are equal (of
    # rows that differ, n would sum to a squared length of the order of n).
    least = seen * (1 - 1e-5) - 1e-9 * n

    def reaches(size: int) -> NDArray[np.bool_]:
        keys = rng.integers(0, 1 << 32, (size, len(features)), dtype=np.uint32)
        chosen = keys <= np.partition(keys, n - 1, axis=1)[:, n - 1 : n]  # n rows at random, without an order
        sums = chosen.astype(np.float32) @ single
        # Equal keys may choose one row too many, once in a million draws: counted as reached, which is conservative.
        return (np.einsum("ij,ij->i", sums, sums) >= least) | (chosen.sum(1) != n)

    return sequential_p(reaches, most=permutations, at_once=max(1, _CELLS_AT_ONCE // len(features)))


def _chi2(now: NDArray[np.int64], pooled: NDArray[np.int64]) -> Sample:
    """Pearson's statistic of each draw (draws × kinds that occur) against the rest of the pool."""
    rows, total = now[0].sum(), pooled.sum()
    expected = pooled * (rows / total)
    return np.square(now - expected) @ (1 / expected) * (total / (total - rows))


def _projected_auc(reference: Sample, current: Sample, rng: np.random.Generator) -> float:
    first, second = (rng.permutation(side) for side in (reference, current))
    folds = [(side[: len(side) // 2], side[len(side) // 2 :]) for side in (first, second)]
    if not all(len(half) for fold in folds for half in fold):
        return 0.5
    found = []
    for fitted, held in ((0, 1), (1, 0)):
        direction = folds[1][fitted].mean(0) - folds[0][fitted].mean(0)
        now, then = folds[1][held] @ direction, folds[0][held] @ direction
        found.append(stats.mannwhitneyu(now, then).statistic / (len(now) * len(then)))
    return float(np.mean(found))
