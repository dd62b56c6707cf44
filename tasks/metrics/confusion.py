"""Which labels a classifier takes for one another; where rows may have several, which ones it misses or adds."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.contracts import ConfusedPair, Confusion, Decisions, LabelCount, LabelDecisions

MOST_LABELS = 10
"""Up to so many the matrix is kept whole."""
MOST_PAIRS = 20
"""Of more labels only these are kept: pairs that are taken for one another on the most rows, by any of the models."""
Labels = NDArray[np.int64]


def confuse(truth: Labels, answers: Mapping[str, Labels], labels: tuple[str, ...]) -> Confusion:
    """`answers`: each model's, for the same rows, as label numbers."""
    size = len(labels)
    counts = np.stack([np.bincount(truth * size + said, minlength=size**2) for said in answers.values()], 1)
    pairs = range(size**2) if size <= MOST_LABELS else _most_confused(counts, size)
    rows = np.bincount(truth, minlength=size)
    return Confusion(
        models=tuple(answers), labels=tuple(LabelCount(label=n, rows=int(r)) for n, r in zip(labels, rows, strict=True)),
        pairs=tuple(ConfusedPair(truth=labels[pair // size], said=labels[pair % size], counts=tuple(counts[pair].tolist()))
                    for pair in pairs),
    )  # fmt: skip


def decide(truth: NDArray[np.bool_], answers: Mapping[str, NDArray[np.bool_]], labels: tuple[str, ...]) -> Decisions:
    """`truth` and each model's answers are rows × labels."""
    found, added = (np.stack([(side & said).sum(0) for said in answers.values()], 1) for side in (truth, ~truth))
    return Decisions(models=tuple(answers), labels=tuple(
        LabelDecisions(label=name, rows=int(truth[:, i].sum()), others=int((~truth[:, i]).sum()),
                       found=tuple(found[i].tolist()), added=tuple(added[i].tolist()))
        for i, name in enumerate(labels)
    ))  # fmt: skip


def _most_confused(counts: NDArray[np.int64], size: int) -> list[int]:
    worst = counts.max(1)
    worst[:: size + 1] = 0  # right answers
    order = np.argsort(-worst, kind="stable")[:MOST_PAIRS]
    return [int(pair) for pair in order if worst[pair]]
