"""A model's outputs for the rows of a window, read and written in the rows' order."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from infra.object_store import ObjectStore
from models.contracts import Artifact, Scores

if TYPE_CHECKING:
    from numpy.typing import NDArray


def probabilities_of(scores: Scores, *, store: ObjectStore) -> "NDArray[np.float32]":
    """rows × labels"""
    with np.load(store.get_file(scores.arrays)) as arrays:
        return arrays["probabilities"]


def embeddings_of(
    scores: Scores, *, rows: "NDArray[np.int64] | None" = None, store: ObjectStore
) -> "NDArray[np.float32]":  # fmt: skip
    """rows × width; of the numbered rows, or of all."""
    with np.load(store.get_file(scores.arrays)) as arrays:
        return arrays["embeddings"] if rows is None else arrays["embeddings"][rows]


def select_outputs(scores: Scores, rows: "NDArray[np.int64]", *, store: ObjectStore) -> Scores:
    """The outputs of some rows as scores of their own."""
    with TemporaryDirectory(prefix="upkeep-") as folder:
        path = Path(folder) / "scores.npz"
        np.savez(path, probabilities=probabilities_of(scores, store=store)[rows],
                 embeddings=embeddings_of(scores, rows=rows, store=store))  # fmt: skip
        arrays = Artifact.model_validate(store.put_blob("scores", path))
    return scores.model_copy(update={"arrays": arrays, "rows": len(rows)})
