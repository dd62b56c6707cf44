"""Rare classes made to count: by weights in the loss, or by drawing each class equally often."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from models.sections import Training


class BalancedLoss:
    """Cross-entropy in which each class counts alike: a row of class c has the weight n / (k · n_c), from the training
    rows. An evaluation is weighted also where the training draws evenly, so that the checkpoint is chosen by what was
    trained for."""

    def __init__(self, labels: Sequence[int], *, outputs: int, weighs_training: bool) -> None:
        self.weights, self.weighs_training = class_weights(labels, outputs=outputs), weighs_training

    def __call__(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None) -> torch.Tensor:  # fmt: skip
        """As the Trainer calls it. The sum is divided by rows, not by weights, which would lift batches without a rare
        row."""
        weighs = self.weighs_training or not torch.is_grad_enabled()
        losses = torch.nn.functional.cross_entropy(
            outputs["logits"].float(),
            labels,
            weight=self.weights.to(labels.device) if weighs else None,
            reduction="sum",
        )
        return losses / (len(labels) if num_items_in_batch is None else num_items_in_batch)


def balanced_loss(training: Training, labels: Sequence[int], *, outputs: int) -> BalancedLoss:
    return BalancedLoss(labels, outputs=outputs, weighs_training=training.class_weights == "balanced")


def class_weights(labels: Sequence[int], *, outputs: int) -> torch.Tensor:
    """1 for a class that has no training row."""
    counts = Counter(labels)
    each = len(labels) / len(counts)
    return torch.tensor([each / counts[label] if label in counts else 1.0 for label in range(outputs)])


def draw_evenly(labels: Sequence[int], *, generator: torch.Generator) -> list[int]:
    """Row numbers of an epoch, as many as there are rows: each class equally often, give or take one, and of each class
    every row before any comes again."""
    rows: dict[int, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    each, more = divmod(len(labels), len(rows))
    lucky = set(torch.randperm(len(rows), generator=generator)[:more].tolist())
    drawn: list[int] = []
    for place, label in enumerate(sorted(rows)):
        times, rest = divmod(each + (place in lucky), len(rows[label]))
        some = torch.randperm(len(rows[label]), generator=generator)[:rest].tolist()
        drawn += rows[label] * times + [rows[label][i] for i in some]
    return drawn
