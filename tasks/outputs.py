"""A model's outputs for the rows of a window, from the store, in the rows' order."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from infra.object_store import ObjectStore
from models.contracts import Artifact, Scores
from tasks.score_files import picked_scores, read_embeddings, read_probabilities, write_scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def probabilities_of(scores: Scores, *, store: ObjectStore) -> "NDArray[np.float32]":
    """rows × labels"""
    return read_probabilities(store.get_file(scores.arrays))


def embeddings_of(
    scores: Scores, *, rows: "NDArray[np.int64] | None" = None, store: ObjectStore
) -> "NDArray[np.float32]":  # fmt: skip
    """rows × width; of the numbered rows, or of all."""
    return read_embeddings(store.get_file(scores.arrays), rows=rows)


def select_outputs(scores: Scores, rows: "NDArray[np.int64]", *, store: ObjectStore) -> Scores:
    """The outputs of some rows (ascending numbers) as scores of their own."""
    with TemporaryDirectory(prefix="upkeep-") as folder:
        picked = Path(folder) / "scores.arrow"
        write_scores(picked, picked_scores(store.get_file(scores.arrays), rows=rows))
        arrays = Artifact.model_validate(store.put_blob("scores", picked))
    return scores.model_copy(update={"arrays": arrays, "rows": len(rows)})
