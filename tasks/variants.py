"""Whether a model's variants answer as its full weights do: on the same sealed rows, by the very files that are released."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from infra.object_store import ObjectStore
from models.adapter import Predictions, TaskAdapter, quietly
from models.contracts import ModelKind, Variant, VariantCheck, Weights
from tasks.metrics.classification import wilson
from tasks.outputs import said_labels
from tasks.timing import time_in_turn

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Full:
    """The full weights, loaded, with what they made of the rows."""

    model: TaskAdapter
    weights: Weights
    numbers: "NDArray[np.float32]"


def check_variants(
    variants: tuple[Variant, ...], full: Full, texts: list[str], *, kind: ModelKind, store: ObjectStore
) -> tuple[VariantCheck, ...]:
    """One check a variant, of all `texts`; nothing is loaded where there is none."""
    if not variants:
        return ()
    folder = store.get_folder(full.weights.prefix, full.weights.files)
    return tuple(_check(variant, folder / variant.path, full, texts, kind) for variant in variants)


def _check(variant: Variant, graph: Path, full: Full, texts: list[str], kind: ModelKind) -> VariantCheck:
    import torch

    from models.onnx_classifier import OnnxClassifier

    model = OnnxClassifier.load(graph.parent, variant.name, threads=torch.get_num_threads())
    numbers = model.predict(texts)
    same = same_answers(full.numbers, numbers, kind)
    times = time_in_turn({
        "full": lambda text: full.model.predict([text], advance=quietly), "variant": lambda text: model.predict([text]),
    }, texts)  # fmt: skip
    return VariantCheck(
        variant=variant.name, bytes=_size(graph), agreement=wilson(int(same.sum()), len(same)),
        largest_gap=largest_gap(full.numbers, numbers), full_ms=times["full"], variant_ms=times["variant"],
        device=full.model.device,
    )  # fmt: skip


def _size(graph: Path) -> int:
    """With the weights of a large one, which lie beside it."""
    return sum(path.stat().st_size for path in graph.parent.glob(f"{graph.name}*"))


def same_answers(first: "NDArray[np.float32]", second: "NDArray[np.float32]", kind: ModelKind) -> "NDArray[np.bool_]":
    """Of each row; where one of them answers with no numbers, they differ."""
    said = [said_labels(Predictions(numbers, numbers[:, :0]), kind) for numbers in (first, second)]
    return (said[0] == said[1]).all(1) & np.isfinite(first).all(1) & np.isfinite(second).all(1)


def largest_gap(first: "NDArray[np.float32]", second: "NDArray[np.float32]") -> float:
    """Between two probabilities; 1 where one of them is no number."""
    gaps = np.abs(first - second)
    return float(np.where(np.isfinite(gaps), gaps, 1.0).max(initial=0.0))
