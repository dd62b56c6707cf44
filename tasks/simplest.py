"""The simplest that a first model must beat: an answer that knows nothing of the row."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.contracts import ModelKind
from models.label_sets import membership
from models.outputs import columns_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Simplest:
    """Its score by the kind's first metric, None where nothing so simple is known, and what it does."""

    score: float | None
    words: str


def simplest_answers(rows: "pd.DataFrame", kind: ModelKind) -> Simplest:
    """`rows` have `text` and `label`."""
    if kind.truth == "label":
        return Simplest(
            float(rows["label"].value_counts().max() / len(rows)), "always answering the most frequent label"
        )
    if kind.truth == "labels":
        return Simplest(_always_the_same(rows, kind), "always answering the same, most frequent labels")
    if kind.task == "translation":
        return Simplest(_copying(rows, kind), "handing the text back as it is")
    return Simplest(None, "")


def _copying(rows: "pd.DataFrame", kind: ModelKind) -> float:
    from models.adapter import Predictions
    from tasks.grading import grade

    nothing = np.zeros((len(rows), len(columns_of(kind))), np.float32)
    return grade(rows, Predictions(nothing, nothing, rows["text"].tolist()), kind).measure(kind.metrics[0]).value


def _always_the_same(rows: "pd.DataFrame", kind: ModelKind) -> float:
    """The best micro F1 of answering the one, two, … most frequent labels to every row."""
    true = np.sort(membership(rows["label"].tolist(), kind.labels).sum(0))[::-1]
    answered = len(rows) * np.arange(1, len(true) + 1)
    return float((2 * true.cumsum() / (answered + true.sum())).max())
