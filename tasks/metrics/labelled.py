"""A classifier's answers to rows whose label is known."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.contracts import Estimate
from tasks.metrics.calibration import Calibration, calibrate, ece_gained, measure_ece
from tasks.metrics.classification import Labels, measure
from tasks.metrics.paired import paired_difference
from tasks.metrics.ranking import Ranking, auroc_gained, measure_auroc, rank


@dataclass(frozen=True)
class Labelled:
    """One entry a row: the true label's number, and the probabilities of all labels."""

    truth: Labels
    probabilities: NDArray[np.float32]
    seed: int

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def labels(self) -> int:
        return self.probabilities.shape[1]

    @cached_property
    def predicted(self) -> Labels:
        return self.probabilities.argmax(1).astype(np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        return self.predicted == self.truth

    @cached_property
    def calibration(self) -> Calibration:
        return calibrate(self.right, self.probabilities.max(1))

    @cached_property
    def ranking(self) -> Ranking:
        return rank(self.truth, self.probabilities)

    def measure(self, metric: str) -> Estimate:
        """Of no rows there is neither ranking nor calibration: what measures the other metrics refuses these, too."""
        if metric == "auroc" and len(self):
            return measure_auroc(self.ranking)
        if metric == "ece" and len(self):
            return measure_ece(self.calibration)
        return measure(metric, self.truth, self.predicted, labels=self.labels, seed=self.seed)

    def improvement(self, champion: "Labelled", metric: str, *, level: float) -> Estimate:
        if metric == "auroc" and len(self):
            return auroc_gained(champion.ranking, self.ranking, level=level)
        if metric == "ece" and len(self):
            return ece_gained(champion.calibration, self.calibration, level=level)
        return paired_difference(metric, self.truth, champion.predicted, self.predicted, labels=self.labels,
                                 seed=self.seed, level=level)  # fmt: skip

    def where(self, chosen: NDArray[np.bool_]) -> "Labelled":
        return Labelled(self.truth[chosen], self.probabilities[chosen], self.seed)

    def joined(self, other: "Labelled") -> "Labelled":
        truth, probabilities = [self.truth, other.truth], [self.probabilities, other.probabilities]
        return Labelled(np.concatenate(truth), np.concatenate(probabilities), self.seed)
