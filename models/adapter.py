"""What a kind of model must be able to do for Upkeep; adapters know local paths only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from errors import ModelError
from models.contracts import Budget, Cost, CurvePoint, ModelKind
from models.recipe import Training

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROWS_AT_ONCE = 8192
"""Where rows are many, `predict` is given this many at a time: what it hands back is held in memory."""

UNLIMITED = Budget()

ADAPTERS = {
    "text-classification": ("models.text_classification", "TextClassifier"),
    "causal-lm": ("models.causal_lm", "CausalLM"),
    "summarization": ("models.seq2seq", "Seq2Seq"),
    "translation": ("models.seq2seq", "Seq2Seq"),
}
"""Imported where they are used: each takes seconds."""

Advance = Callable[[int], None]
"""Told how many rows (or steps) were done since the last call."""


def quietly(done: int) -> None:
    """For who shows no bar: others show it, or it would be part of what is timed."""


@dataclass(frozen=True)
class Predictions:
    """numbers: rows × what the kind counts (`models/outputs.py`; a classifier's are the labels' probabilities), float32;
    embeddings: rows × width, float32 (mean of the last layer)."""

    numbers: "NDArray[np.float32]"
    embeddings: "NDArray[np.float32]"
    texts: Sequence[str] | None = None
    """What was written; None where nothing is."""


@dataclass(frozen=True)
class Examples:
    """labels: a row's truth, as the kind of model has it: a label, or the text that was to be written."""

    texts: Sequence[str]
    labels: Sequence[str]


@dataclass(frozen=True)
class Trained:
    cost: Cost
    curve: tuple[CurvePoint, ...]
    recipe: str


class KeyRing(Protocol):
    """The keys of APIs, for models that are hosted; whoever opens the store hands it in."""

    def of(self, url: str, *, own_url: str) -> str | None:
        """The key of the server at `url`; `own_url` is the one that the spec names."""


class TaskAdapter(Protocol):
    """A loaded model of one kind."""

    device: str

    @classmethod
    def load(cls, folder: Path, kind: ModelKind, *, new_head: bool) -> Self:
        """Loads safetensors weights; `new_head` lets the output layer start from seeded noise."""

    def predict(
        self, texts: Sequence[str], *, labels: Sequence[str | None] | None = None, advance: Advance
    ) -> Predictions:
        """Outputs in the order of the texts. `labels`: where they are known, a language model's loss on them is counted."""

    def fine_tune(
        self, train: Examples, validation: Examples, *, training: Training, seed: int, work: Path, advance: Advance,
        budget: Budget = UNLIMITED,
    ) -> Trained:  # fmt: skip
        """Trains in place; `work` keeps checkpoints from which a killed or stopped training resumes.

        Raises OverBudget at the budget's cap, once a whole checkpoint is written.
        """

    def save(self, folder: Path) -> None:
        """Plain `save_pretrained` files, float32."""


def load_model(folder: Path, kind: ModelKind, *, new_head: bool = False, keys: KeyRing | None = None) -> TaskAdapter:
    """A version's model, ready to predict."""
    if not kind.hosted:
        return adapter_for(kind.task).load(folder, kind, new_head=new_head)
    from models.hosted import HostedModel

    return HostedModel.load(folder, kind, new_head=new_head, keys=keys)


def adapter_for(task: str) -> type[TaskAdapter]:
    """The adapter of a spec's `task`."""
    module, name = ADAPTERS.get(task) or task.split(":")
    try:
        found: type[TaskAdapter] = getattr(import_module(module), name)
    except (ImportError, AttributeError) as problem:
        raise ModelError(f"task: {task} cannot be imported on this machine ({problem}); install the package that holds it, or "
                         "name its folder in PYTHONPATH, wherever runs and their workers are started") from problem  # fmt: skip
    return found
