"""A kind of model of one's own in one file: a small vision transformer that reads digits. docs/adapters.md explains it.

A row's text is the image: 64 letters from a (white) to q (black), row by row. That is one word, so that two images are
never taken for texts that say nearly the same.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from transformers import ViTForImageClassification, set_seed

from errors import DataError
from models.adapter import UNLIMITED, Advance, Examples, Predictions, Trained
from models.contracts import Budget, ModelKind
from models.plain_files import refuse_unsafe
from models.recipe import Training

SIDE, AT_ONCE = 8, 256
SHADES = "abcdefghijklmnopq"


class ViT:
    """A `TaskAdapter`: load, predict, fine_tune, save."""

    def __init__(self, model: Any, kind: ModelKind) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model, self.labels = model.to(self.device), kind.labels

    @classmethod
    def load(cls, folder: Path, kind: ModelKind, *, new_head: bool) -> Self:
        refuse_unsafe(folder, code=kind.code)
        set_seed(kind.seed)
        names = dict(enumerate(kind.labels))
        model = ViTForImageClassification.from_pretrained(
            folder, id2label=names, label2id={v: k for k, v in names.items()}, num_labels=len(names),
            ignore_mismatched_sizes=new_head, dtype=torch.float32, use_safetensors=True,
        )  # fmt: skip
        return cls(model, kind)

    @torch.inference_mode()
    def predict(
        self, texts: Sequence[str], *, labels: Sequence[str | None] | None = None, advance: Advance
    ) -> Predictions:
        """numbers: the labels' probabilities; embeddings: what the class token came to."""
        self.model.eval()
        width = self.model.config.hidden_size
        numbers, embeddings = (
            np.zeros((len(texts), len(self.labels)), np.float32),
            np.zeros((len(texts), width), np.float32),
        )
        for begin in range(0, len(texts), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            output = self.model(pixel_values=pixels(texts[part]).to(self.device), output_hidden_states=True)
            numbers[part] = output.logits.float().softmax(-1).cpu().numpy()
            embeddings[part] = output.hidden_states[-1][:, 0].float().cpu().numpy()
            advance(len(texts[part]))
        return Predictions(numbers, embeddings)

    def fine_tune(
        self, train: Examples, validation: Examples, *, training: Training, seed: int, work: Path, advance: Advance,
        budget: Budget = UNLIMITED,
    ) -> Trained:  # fmt: skip
        from models.training import Lesson, fine_tune

        lesson = Lesson(self._dataset(train), self._dataset(validation), _collate, embeddings_learn=True)
        self.model, trained = fine_tune(
            self.model, lesson, training=training, seed=seed, work=work, advance=advance, budget=budget
        )
        return trained

    def save(self, folder: Path) -> None:
        self.model.float().save_pretrained(folder)

    def _dataset(self, examples: Examples) -> Any:
        from datasets import Dataset

        index = {label: i for i, label in enumerate(self.labels)}
        columns = {"pixel_values": pixels(examples.texts).numpy().tolist(),
                   "labels": [index[label] for label in examples.labels], "length": [1] * len(examples.texts)}  # fmt: skip
        return Dataset.from_dict(columns)


def written(image: Any) -> str:
    """8 × 8 numbers from 0 to 16, as scikit-learn's digits have them → a row's text."""
    return "".join(SHADES[int(shade)] for shade in np.asarray(image).ravel())


def pixels(texts: Sequence[str]) -> torch.Tensor:
    """Rows → rows × 1 × 8 × 8, from 0 to 1. DataError names a row that is no image."""
    wrong = next((text for text in texts if len(text) != SIDE**2 or not set(text) <= set(SHADES)), None)
    if wrong is not None:
        raise DataError(f"{wrong[:40]!r} is no image of {SIDE} × {SIDE} letters from a to q; leave such rows out")
    values = np.array([[SHADES.index(letter) for letter in text] for text in texts], np.float32)
    return torch.from_numpy(values.reshape(-1, 1, SIDE, SIDE) / (len(SHADES) - 1))


def _collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    return {"pixel_values": torch.tensor([row["pixel_values"] for row in rows], dtype=torch.float32),
            "labels": torch.tensor([row["labels"] for row in rows])}  # fmt: skip
