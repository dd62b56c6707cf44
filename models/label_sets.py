"""A row's labels where it may have several: how they are written in a column, and what a model's outputs come to.

They are read as `a|b` or as a JSON list, and kept as `a|b` in the spec's order; `[]` is a row that has none, which is
something else than a row whose labels are not known.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BETWEEN = "|"
NOTHING = "[]"
THRESHOLD = 0.5
"""Of a label's probability, from which it is answered."""


class UnknownLabel(ValueError):
    """Names the first label that is none of the spec's."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label


def read_labels(cell: str, labels: Sequence[str]) -> str:
    """What a cell says, as it is kept. Raises UnknownLabel."""
    parts = _listed(cell) if cell.startswith("[") else [part.strip() for part in cell.split(BETWEEN)]
    unknown = next((part for part in parts if part not in labels), None)
    if unknown is not None:
        raise UnknownLabel(unknown)
    return written([label in parts for label in labels], labels)


def written(has: Sequence[bool], labels: Sequence[str]) -> str:
    """`has`: for each label, whether the row has it."""
    return BETWEEN.join(label for label, is_in in zip(labels, has, strict=True) if is_in) or NOTHING


def membership(kept: Sequence[str], labels: Sequence[str]) -> "NDArray[np.bool_]":
    """rows × labels, from labels as they are kept."""
    import numpy as np

    index = {label: i for i, label in enumerate(labels)}
    found = np.zeros((len(kept), len(labels)), bool)
    for row, cell in enumerate(kept):
        for part in () if cell == NOTHING else cell.split(BETWEEN):
            found[row, index[part]] = True
    return found


def _listed(cell: str) -> list[str]:
    try:
        return [part if isinstance(part, str) else json.dumps(part) for part in json.loads(cell)]
    except (ValueError, RecursionError):
        raise UnknownLabel(cell) from None


def least_sure(probabilities: "NDArray[np.floating]") -> "NDArray[np.float64]":
    """Of each row, how sure a model is of the label that it doubts most: that it is there, or that it is not."""
    import numpy as np

    return np.maximum(probabilities, 1 - probabilities).min(1).astype(float)


def sure_of_all(probabilities: "NDArray[np.floating]") -> "NDArray[np.float64]":
    """Of each row, how probable it is that every decision is right, did they not depend on one another."""
    import numpy as np

    return np.maximum(probabilities, 1 - probabilities).astype(float).prod(1)
