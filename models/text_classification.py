"""Text classification with any Hugging Face sequence-classification model."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding

from errors import ModelError
from models.adapter import UNLIMITED, Advance, Examples, Predictions, Trained
from models.contracts import Budget, ModelKind
from models.label_sets import membership
from models.loading import (
    PROBED_FROM,
    as_text,
    load_parts,
    longest,
    pad_behind,
    read_config,
    require_end,
    token_batches,
    unknown,
)
from models.neighbours import refuse_neighbours
from models.outputs import NO_NUMBER
from models.recipe import Training
from models.threads import choose_threads

ONE, SEVERAL = "single_label_classification", "multi_label_classification"
"""What transformers calls them, and by which it chooses the loss."""
INSTEAD = ("begin with another kind of model (BERT, RoBERTa, DeBERTa and their kin), or, where it answers from a row's last place, "
           "as XLNet does, say padding_side: left in its tokenizer_config.json")  # fmt: skip
_GENERIC_LABEL = re.compile(r"^LABEL_\d+$")


class TextClassifier:
    """A tokenizer and a sequence-classification model on the fastest device at hand."""

    def __init__(self, model: Any, tokenizer: Any, kind: ModelKind, *, learned: int) -> None:
        """`learned`: so many of the labels were trained on; the others are never answered until they were, too."""
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model, self.tokenizer = model.to(self.device), tokenizer
        self.labels, self.learned, self.max_tokens = kind.labels, learned, longest(model, kind)
        self.several = kind.truth == "labels"
        pad_behind(tokenizer, model)

    @classmethod
    def load(cls, folder: Path, kind: ModelKind, *, new_head: bool) -> Self:
        config = read_config(folder, kind)
        learned = len(kind.labels) if new_head else _learned_labels(config, kind.labels, folder)
        problem = SEVERAL if kind.truth == "labels" else ONE
        if not new_head:
            _require_problem(config, problem, folder)
        names = dict(enumerate(kind.labels))
        model, tokenizer = load_parts(
            AutoModelForSequenceClassification, folder, kind, wanted="a sequence classifier", new_head=new_head, id2label=names,
            label2id={v: k for k, v in names.items()}, num_labels=len(kind.labels),
            ignore_mismatched_sizes=new_head or learned < len(kind.labels), problem_type=problem,
        )  # fmt: skip
        require_end(tokenizer, model, folder)
        if learned < len(kind.labels):
            keep_old_rows(model, folder, learned)
        found = cls(model, tokenizer, kind, learned=learned)
        refuse_neighbours(found._forward, model, tokenizer, folder, longest=found.max_tokens, instead=INSTEAD)
        return found

    @torch.inference_mode()
    def predict(
        self, texts: Sequence[str], *, labels: Sequence[str | None] | None = None, advance: Advance
    ) -> Predictions:
        """float32, longest texts together, so that little is computed on padding."""
        self.model.eval()
        tokens = self._tokenize(texts)
        if len(tokens) >= PROBED_FROM:
            probe = tokens[:8]
            choose_threads(lambda: self._forward(probe))
        probabilities = np.zeros((len(texts), self.model.config.num_labels), np.float32)
        embeddings: np.ndarray | None = None
        for rows in token_batches([len(ids) for ids in tokens]):
            probability, embedding = self._forward([tokens[row] for row in rows])
            if embeddings is None:
                embeddings = np.zeros((len(texts), embedding.shape[1]), np.float32)
            probabilities[rows], embeddings[rows] = probability, embedding
            advance(len(rows))
        return Predictions(probabilities, np.zeros((0, 1), np.float32) if embeddings is None else embeddings)

    def fine_tune(
        self, train: Examples, validation: Examples, *, training: Training, seed: int, work: Path, advance: Advance,
        budget: Budget = UNLIMITED,
    ) -> Trained:  # fmt: skip
        from models.training import Lesson, fine_tune  # the Trainer costs six seconds of imports

        lesson = Lesson(self._dataset(train), self._dataset(validation), DataCollatorWithPadding(self.tokenizer),
                        metrics=_exact if self.several else _accuracy, embeddings_learn=training.learn_embeddings,
                        probe=self._probe)  # fmt: skip
        self.model, trained = fine_tune(
            self.model, lesson, training=training, seed=seed, work=work, advance=advance, budget=budget
        )
        self.learned = len(self.labels)
        return trained

    def save(self, folder: Path) -> None:
        self.model.float().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _probe(self) -> Any:
        end = self.tokenizer.eos_token_id  # BART and T5 answer from there, and refuse a row without one
        tokens = torch.full((8, 32), 1 if end is None else end, device=self.model.device)
        return self.model(input_ids=tokens, attention_mask=torch.ones_like(tokens))

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        if not len(texts):
            return []
        read = as_text(self.model)
        found = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens, **read)["input_ids"]
        return [ids or [unknown(self.tokenizer)] for ids in found]

    def _dataset(self, examples: Examples) -> Any:
        from datasets import Dataset

        tokens = self._tokenize(examples.texts)
        columns = {"input_ids": tokens, "labels": self._numbers(examples.labels),
                   "length": [len(t) for t in tokens]}  # fmt: skip
        return Dataset.from_dict(columns)

    def _numbers(self, labels: Sequence[str]) -> list[Any]:
        """A row's label as its number, or of several 0 and 1 for each, as floats."""
        if self.several:
            return membership(labels, self.labels).astype(np.float32).tolist()
        index = {label: i for i, label in enumerate(self.labels)}
        return [index[label] for label in labels]

    def _forward(self, tokens: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
        batch = self.tokenizer.pad({"input_ids": tokens}, return_tensors="pt").to(self.device)
        output = self.model(**batch, output_hidden_states=True)
        hidden = getattr(output, "hidden_states", None) or output.decoder_hidden_states
        mask = batch["attention_mask"].unsqueeze(-1).to(hidden[-1].dtype)
        if hidden[-1].shape[1] != mask.shape[1]:
            raise ModelError(f"a {type(self.model).__name__} shortens a text as it reads it, as Funnel does, and what it ends with cannot "
                             "be told from padding; begin with another kind of model")  # fmt: skip
        embedding = (hidden[-1] * mask).sum(1) / mask.sum(1).clamp(min=1)
        logits = output.logits.float()
        if not torch.isfinite(logits).all():  # they would count as the first label
            raise ModelError(NO_NUMBER)
        logits[:, self.learned :] = -torch.inf
        probabilities = logits.sigmoid() if self.several else logits.softmax(-1)
        return probabilities.cpu().numpy(), embedding.float().cpu().numpy()


def _require_problem(config: Any, wanted: str, folder: Path) -> None:
    """A head that was trained for one label a row says nothing by its sigmoids, nor the other way round."""
    told = getattr(config, "problem_type", None)
    if told and told != wanted:
        raise ModelError(f"{folder} is a model of problem_type {told}, and the spec says labels_per_row: "
                         f"{'many' if wanted == SEVERAL else 'one'}; mend that, or drop `model.adopt` to train a new "
                         "head")  # fmt: skip


def _learned_labels(config: Any, labels: Sequence[str], folder: Path) -> int:
    """How many of the labels the model has: all, or the first ones, where a class was added since. A classifier whose
    outputs mean something else would be measured, and served, upside down."""
    named = [str(config.id2label[i]) for i in sorted(config.id2label)]
    generic = len(named) == len(labels) and all(_GENERIC_LABEL.match(name) for name in named)
    if not generic and named != list(labels[: len(named)]):
        raise ModelError(
            f"{folder} answers with the labels {named}, the spec says {list(labels)}: the same labels in the "
            "same order are needed, and new ones at the end. Mend `labels`, or drop `model.adopt` to train a new head."
        )
    return len(named)


def keep_old_rows(model: Any, folder: Path, learned: int) -> None:
    """Gives a head that has grown what it had: of each parameter that is longer now, the rows of the old labels."""
    old: dict[str, torch.Tensor] = {}
    for file in folder.glob("*.safetensors"):
        old |= load_file(file)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            before = old.get(name)
            if before is not None and before.shape != weights.shape and before.shape[0] == learned:
                weights[:learned] = before.to(weights.dtype)


def _accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float((_logits(prediction).argmax(-1) == prediction.label_ids).mean())}


def _exact(prediction: Any) -> dict[str, float]:
    """Rows of which every label is right."""
    return {"accuracy": float(((_logits(prediction) >= 0) == (prediction.label_ids > 0.5)).all(-1).mean())}


def _logits(prediction: Any) -> np.ndarray:
    logits: Any = prediction.predictions
    return logits[0] if isinstance(logits, tuple) else logits
