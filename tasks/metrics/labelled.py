"""A classifier's answers to rows whose label is known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.contracts import Estimate
from tasks.metrics.classification import Labels, measure
from tasks.metrics.paired import paired_difference


@dataclass(frozen=True)
class Labelled:
    """Label numbers, true and predicted, one entry a row; `labels` says how many there are."""

    truth: Labels
    predicted: Labels
    labels: int
    seed: int

    def __len__(self) -> int:
        return len(self.truth)

    def measure(self, metric: str) -> Estimate:
        return measure(metric, self.truth, self.predicted, labels=self.labels, seed=self.seed)

    def improvement(self, champion: "Labelled", metric: str, *, level: float) -> Estimate:
        return paired_difference(metric, self.truth, champion.predicted, self.predicted, labels=self.labels,
                                 seed=self.seed, level=level)  # fmt: skip

    def where(self, chosen: NDArray[np.bool_]) -> "Labelled":
        return Labelled(self.truth[chosen], self.predicted[chosen], self.labels, self.seed)

    def joined(self, other: "Labelled") -> "Labelled":
        truth, predicted = [self.truth, other.truth], [self.predicted, other.predicted]
        return Labelled(np.concatenate(truth), np.concatenate(predicted), self.labels, self.seed)
