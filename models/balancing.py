"""Rare classes made to count: by weights in the loss, or by drawing each class equally often."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from models.recipe import Training


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
        weight = self.weights.to(labels.device) if weighs else None
        losses = torch.nn.functional.cross_entropy(outputs["logits"].float(), labels, weight=weight, reduction="sum")
        return losses / (len(labels) if num_items_in_batch is None else num_items_in_batch)


class BalancedDecisions:
    """Binary cross-entropy of rows that may have several labels, in which of each label the rows that have it and those
    that have it not count alike: a decision on the one side has the weight n / (2 · n_side), from the training rows."""

    def __init__(self, has: Sequence[Sequence[float]]) -> None:
        self.having, self.lacking = decision_weights(has)

    def __call__(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None) -> torch.Tensor:  # fmt: skip
        """As the Trainer calls it, which counts every label of a row as an item."""
        having, lacking = self.having.to(labels.device), self.lacking.to(labels.device)
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            outputs["logits"].float(), labels, weight=lacking, pos_weight=having / lacking, reduction="sum"
        )
        return losses / (labels.numel() if num_items_in_batch is None else num_items_in_batch)


def balanced_loss(training: Training, labels: Sequence[Any], *, outputs: int) -> BalancedLoss | BalancedDecisions:
    """`labels`: of each row its class's number, or of several labels 0 or 1 each."""
    if labels and isinstance(labels[0], Sequence):
        return BalancedDecisions(labels)
    return BalancedLoss(labels, outputs=outputs, weighs_training=training.class_weights == "balanced")


def decision_weights(has: Sequence[Sequence[float]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each label, what a row weighs that has it, and one that has it not; 1 for both where all rows are on one side."""
    counts = torch.tensor(has).sum(0)
    both = (counts > 0) & (counts < len(has))
    having, lacking = (
        torch.where(both, len(has) / (2 * side.clamp(min=1)), 1.0) for side in (counts, len(has) - counts)
    )
    return having, lacking


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
