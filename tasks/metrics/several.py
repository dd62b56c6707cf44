"""A classifier's answers to rows that may have several labels: each label is answered whose probability is one half."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.contracts import Estimate
from models.label_sets import THRESHOLD
from tasks.metrics import summed
from tasks.metrics.calibration import Calibration, calibrate, ece_gained, measure_ece
from tasks.metrics.classification import wilson
from tasks.metrics.language import ratio
from tasks.metrics.paired import right_more_often
from tasks.metrics.ranking import Ranking, auroc_gained, measure_auroc, rank_each
from tasks.metrics.summed import Numbers, Summed


@dataclass(frozen=True)
class Several:
    """rows × labels: whether a row has the label, and the probability that the model gives it."""

    truth: NDArray[np.bool_]
    probabilities: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.truth)

    @cached_property
    def said(self) -> NDArray[np.bool_]:
        return self.probabilities >= THRESHOLD

    @property
    def right(self) -> NDArray[np.bool_]:
        """In every label."""
        return (self.said == self.truth).all(1)

    @cached_property
    def ranking(self) -> Ranking:
        return rank_each(self.truth, self.probabilities)

    @cached_property
    def calibration(self) -> Calibration:
        """Of every decision that a label is there or is not."""
        return calibrate(self.said == self.truth, np.maximum(self.probabilities, 1 - self.probabilities))

    @cached_property
    def sums(self) -> Mapping[str, Summed]:
        said = self.said
        hits, both = (self.truth & said).astype(float), self.truth.astype(float) + said
        return {
            "micro_f1": Summed("micro_f1", np.stack([2 * hits.sum(1), both.sum(1)], 1), _micro, "jackknife"),
            "macro_f1": Summed("macro_f1", np.concatenate([2 * hits, both], 1), _macro, "jackknife"),
        }

    def measure(self, metric: str) -> Estimate:
        if metric == "exact_match" and len(self):
            return wilson(int(self.right.sum()), len(self))
        if metric == "auroc" and len(self):
            return measure_auroc(self.ranking)
        if metric == "ece" and len(self):
            return measure_ece(self.calibration)
        return summed.measure(self.sums[metric if len(self) else "micro_f1"])

    def improvement(self, champion: "Several", metric: str, *, level: float) -> Estimate:
        if metric == "exact_match" and len(self):
            return right_more_often(champion.right, self.right, level=level)
        if metric == "auroc" and len(self):
            return auroc_gained(champion.ranking, self.ranking, level=level)
        if metric == "ece" and len(self):
            return ece_gained(champion.calibration, self.calibration, level=level)
        name = metric if len(self) else "micro_f1"
        return summed.improvement_of(champion.sums[name], self.sums[name], level=level)

    def where(self, chosen: NDArray[np.bool_]) -> "Several":
        return Several(self.truth[chosen], self.probabilities[chosen])

    def joined(self, other: "Several") -> "Several":
        return Several(
            np.concatenate([self.truth, other.truth]), np.concatenate([self.probabilities, other.probabilities])
        )


def _micro(sums: Numbers) -> Numbers:
    """1 where no label is true and none answered."""
    return np.where(sums[:, 1] > 0, ratio(sums), 1.0)


def _macro(sums: Numbers) -> Numbers:
    """Over the labels that are true or answered anywhere."""
    hits, both = np.split(sums, 2, axis=1)
    present = both > 0
    f1 = np.where(present, hits / np.where(present, both, 1), 0)
    return np.where(present.any(1), f1.sum(1) / np.maximum(1, present.sum(1)), 1.0)
