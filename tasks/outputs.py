"""A model's outputs for the rows of a window, from the store, in the rows' order."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from infra.object_store import ObjectStore
from models.contracts import Artifact, ModelKind, Scores
from models.label_sets import THRESHOLD, UnknownLabel, least_sure, membership, read_labels, written
from models.outputs import CONFIDENCE, LATENCY, columns_of
from tasks.score_files import picked_scores, read_embeddings, read_numbers, read_texts, write_scores

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models.adapter import Predictions


def outputs_of(scores: Scores, *, rows: "NDArray[np.int64] | None" = None, store: ObjectStore) -> "Predictions":
    """Numbers and texts of the numbered rows, or of all, without their embeddings, which are the larger part."""
    from models.adapter import Predictions

    path = store.get_file(scores.arrays)
    numbers = read_numbers(path, rows=rows)
    return Predictions(numbers, numbers[:, :0], read_texts(path, rows=rows))


def request_ms(outputs: "Predictions", kind: ModelKind) -> "NDArray[np.float64]":
    """Of a hosted model, for each row: of its last try, without the waits before another."""
    return outputs.numbers[:, columns_of(kind).index(LATENCY)].astype(float)


def embeddings_of(
    scores: Scores, *, rows: "NDArray[np.int64] | None" = None, store: ObjectStore
) -> "NDArray[np.float32]":  # fmt: skip
    """rows × width; of the numbered rows, or of all."""
    return read_embeddings(store.get_file(scores.arrays), rows=rows)


def answers_of(outputs: "Predictions", kind: ModelKind) -> "NDArray[np.object_] | None":
    """What the model said of each row, as it is served: a label or a text; None where it only reads."""
    import numpy as np

    if kind.truth == "labels":
        return np.array([written(row, kind.labels) for row in said_labels(outputs, kind)], object)
    if kind.truth == "label":
        return np.array(kind.labels, object)[outputs.numbers.argmax(1)]
    return None if outputs.texts is None else np.array([text.strip() for text in outputs.texts], object)


def confidence_of(outputs: "Predictions", kind: ModelKind) -> "NDArray[np.float64]":
    """How sure the model was of each answer, 0 to 1: where rows have several labels, of the one it was least sure of."""
    if kind.truth == "labels":
        return least_sure(outputs.numbers)
    column = outputs.numbers.max(1) if kind.truth == "label" else outputs.numbers[:, columns_of(kind).index(CONFIDENCE)]
    return column.astype(float)


def select_outputs(scores: Scores, rows: "NDArray[np.int64]", *, store: ObjectStore) -> Scores:
    """The outputs of some rows (ascending numbers) as scores of their own."""
    with TemporaryDirectory(prefix="upkeep-") as folder:
        picked = Path(folder) / "scores.arrow"
        write_scores(picked, picked_scores(store.get_file(scores.arrays), rows=rows))
        arrays = Artifact.model_validate(store.put_blob("scores", picked))
    return scores.model_copy(update={"arrays": arrays, "rows": len(rows)})


def said_labels(outputs: "Predictions", kind: ModelKind) -> "NDArray[np.bool_]":
    """rows × labels: what a classifier answers."""
    import numpy as np

    if kind.truth == "labels":
        return outputs.numbers >= THRESHOLD
    return outputs.numbers.argmax(1)[:, None] == np.arange(len(kind.labels))


def true_labels(truth: "pd.Series[str]", kind: ModelKind) -> "NDArray[np.bool_]":
    """rows × labels, of rows whose truth is known."""
    import numpy as np

    if kind.truth == "labels":
        return membership(truth.tolist(), kind.labels)
    return np.stack([(truth == label).to_numpy(bool) for label in kind.labels], 1)


def as_answered(served: str, kind: ModelKind) -> str:
    """What was logged as served, as `answers_of` would write it; what it cannot mean stays as it is."""
    whole = served.removesuffix(".0")  # pandas turns whole numbers into floats as soon as one is missing
    if kind.truth == "label" and served not in kind.labels and whole in kind.labels:
        return whole
    try:
        return read_labels(served, kind.labels) if kind.truth == "labels" else served
    except UnknownLabel:
        return served
