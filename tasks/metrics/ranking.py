"""AUROC: how well a classifier's probabilities rank rows, with intervals from each row's influence.

Of two labels it is that of the last one, the positive; of more, the mean over labels of each against all others. Every
AUROC is a mean over pairs (Mann and Whitney), so each row's part in it is known (DeLong, DeLong and Clarke-Pearson,
Biometrics 1988; by ranks, Sun and Xu, 2014): no resampling, and ties count half.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from models.contracts import Estimate

Numbers = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """`auroc`: one a label that some rows have and some have not; `parts`: rows × those labels, each row's influence
    divided by the number of rows; `sizes`: the smaller of a label's two sides."""

    auroc: Numbers
    parts: Numbers
    sizes: Numbers
    binary: bool

    @property
    def value(self) -> float:
        return float(self.auroc.mean())

    @property
    def told(self) -> str:
        return "of the last label" if self.binary else "one against the rest, mean over labels"


def rank(truth: Labels, probabilities: NDArray[np.floating]) -> Ranking:
    """`truth`: label numbers; `probabilities`: rows × labels."""
    labels = probabilities.shape[1]
    found = rank_each(truth[:, None] == np.arange(labels), probabilities)
    return found if labels != 2 else Ranking(found.auroc[-1:], found.parts[:, -1:], found.sizes[-1:], binary=True)


def rank_each(truth: NDArray[np.bool_], probabilities: NDArray[np.floating]) -> Ranking:
    """Both rows × labels; a row may have several."""
    counts = truth.sum(0)
    asked = np.flatnonzero((counts > 0) & (counts < len(truth)))
    each = [_one(truth[:, label], probabilities[:, label]) for label in asked]
    parts = np.stack([part for _, part in each], 1) if each else np.zeros((len(truth), 0))
    sizes = np.minimum(counts, len(truth) - counts)[asked].astype(float)
    return Ranking(np.array([auroc for auroc, _ in each]), parts, sizes, binary=False)


def measure_auroc(found: Ranking) -> Estimate:
    """With its 95 % interval, Student's on the logit's scale. Nothing is known where all rows have one label."""
    if not len(found.auroc):
        return _unknown(found, value=0.5, low=0.0)
    value, half, least = found.value, _half(found.parts, found.sizes, 0.95), _least(found.sizes, 0.95)
    low, high = value - half, value + half
    if 0 < value < 1:
        centre, width = math.log(value / (1 - value)), half / (value * (1 - value))
        low, high = (float(special.expit(end)) for end in (centre - width, centre + width))
    return Estimate(value=value, low=max(0.0, min(low, value - least)), high=min(1.0, max(high, value + least)),
                    n=len(found.parts), method=f"{found.told}, DeLong's variance on the logit's scale")  # fmt: skip


def auroc_gained(champion: Ranking, candidate: Ranking, *, level: float) -> Estimate:
    """Candidate minus champion on the same rows."""
    if not len(champion.auroc):
        return _unknown(champion, value=0.0, low=-1.0)
    value = candidate.value - champion.value
    least = (1 + abs(value)) * _least(champion.sizes, level)  # a row may lie so far from those that were seen
    half = max(_half(candidate.parts - champion.parts, champion.sizes, level), least)
    return Estimate(value=value, low=max(-1.0, value - half), high=min(1.0, value + half), n=len(champion.parts),
                    method=f"{champion.told}, paired DeLong, {level:.1%} interval")  # fmt: skip


def _one(positive: NDArray[np.bool_], score: NDArray[np.floating]) -> tuple[float, Numbers]:
    """The AUROC and each row's part: what its share of won pairs is above the mean, by the number of its like."""
    many, few = int((~positive).sum()), int(positive.sum())
    place = stats.rankdata(score)
    won = np.empty(len(score))
    won[positive] = (place[positive] - stats.rankdata(score[positive])) / many
    won[~positive] = 1 - (place[~positive] - stats.rankdata(score[~positive])) / few
    auroc = float(won[positive].mean())
    corrected = {size: math.sqrt(size * max(1, size - 1)) for size in (few, many)}
    return auroc, (won - auroc) / np.where(positive, corrected[few], corrected[many])


def _half(parts: Numbers, sizes: Numbers, level: float) -> float:
    """Student's quantile by Satterthwaite's degrees of freedom, each label's share of the variance on its smaller side."""
    spread = float(np.sqrt((parts.mean(1) ** 2).sum()))
    shares = (parts**2).sum(0)
    freedom = shares.sum() ** 2 / max(1e-300, float((shares**2 / np.maximum(1, sizes - 1)).sum()))
    return float(stats.t.isf((1 - level) / 2, max(1.0, freedom))) * spread


def _least(sizes: Numbers, level: float) -> float:
    """Rows that are all ranked right do not prove that all others are: rule of three (Hanley and Lippman-Hand, 1983) for
    each label's smaller side, the labels' chances being independent."""
    each = np.minimum(1.0, -math.log((1 - level) / 2) / sizes)
    return float(np.sqrt((each**2).sum()) / len(sizes))


def _unknown(found: Ranking, *, value: float, low: float) -> Estimate:
    return Estimate(value=value, low=low, high=1.0, n=len(found.parts), method="not known: all rows have one label")
