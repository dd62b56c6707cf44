"""Text classification with any Hugging Face sequence-classification model."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, set_seed
from transformers.utils import logging as transformers_logging

from errors import ModelError
from models.adapter import UNLIMITED, Advance, Examples, Predictions, Trained
from models.contracts import Budget, ModelKind
from models.plain_files import refuse_unsafe
from models.sections import Training
from models.threads import choose_threads

TOKENS_PER_BATCH = 4096
PROBED_FROM = 64
"""Rows from which it pays to find out how many threads are fastest."""
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()  # Upkeep shows its own
_GENERIC_LABEL = re.compile(r"^LABEL_\d+$")


class TextClassifier:
    """A tokenizer and a sequence-classification model on the fastest device at hand."""

    def __init__(self, model: Any, tokenizer: Any, *, max_tokens: int) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model, self.tokenizer, self.max_tokens = model.to(self.device), tokenizer, max_tokens

    @classmethod
    def load(cls, folder: Path, kind: ModelKind, *, new_head: bool) -> Self:
        _require_weights(folder)
        refuse_unsafe(folder, code=kind.code)
        config = _config(folder, trust=bool(kind.code))
        if not new_head:
            _check_labels(config, kind.labels, folder)
        set_seed(kind.seed)  # a new head starts from the spec's seed
        names = dict(enumerate(kind.labels))
        try:
            model = AutoModelForSequenceClassification.from_pretrained(
                folder, id2label=names, label2id={v: k for k, v in names.items()}, num_labels=len(kind.labels),
                ignore_mismatched_sizes=new_head, dtype=torch.float32, trust_remote_code=bool(kind.code),
                use_safetensors=True,
            )  # fmt: skip
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=bool(kind.code))
        except (OSError, ValueError, RuntimeError) as problem:
            raise ModelError(f"{folder} cannot be loaded as a sequence classifier: {problem}") from problem
        _give_pad_token(model, tokenizer)
        positions = getattr(model.config, "max_position_embeddings", None) or kind.max_tokens
        return cls(model, tokenizer, max_tokens=min(kind.max_tokens, positions))

    @torch.inference_mode()
    def predict(self, texts: Sequence[str], *, advance: Advance) -> Predictions:
        """float32, longest texts together, so that little is computed on padding."""
        self.model.eval()
        tokens = self._tokenize(texts)
        if len(tokens) >= PROBED_FROM:
            probe = tokens[:8]
            choose_threads(lambda: self._forward(probe))
        probabilities = np.zeros((len(texts), self.model.config.num_labels), np.float32)
        embeddings: np.ndarray | None = None
        for rows in _batches([len(ids) for ids in tokens]):
            probability, embedding = self._forward([tokens[row] for row in rows])
            if embeddings is None:
                embeddings = np.zeros((len(texts), embedding.shape[1]), np.float32)
            probabilities[rows], embeddings[rows] = probability, embedding
            advance(len(rows))
        return Predictions(probabilities, np.zeros((0, 1), np.float32) if embeddings is None else embeddings)

    def fine_tune(
        self,
        train: Examples,
        validation: Examples,
        *,
        training: Training,
        seed: int,
        work: Path,
        advance: Advance,
        budget: Budget = UNLIMITED,
    ) -> Trained:
        from models.training import fine_tune  # the Trainer costs six seconds of imports

        self.model, trained = fine_tune(
            self.model, self.tokenizer, self._dataset(train), self._dataset(validation),
            training=training, seed=seed, work=work, advance=advance, budget=budget,
        )  # fmt: skip
        return trained

    def save(self, folder: Path) -> None:
        self.model.float().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        if not len(texts):
            return []
        return self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]

    def _dataset(self, examples: Examples) -> Any:
        from datasets import Dataset

        tokens = self._tokenize(examples.texts)
        columns = {"input_ids": tokens, "labels": list(examples.labels), "length": [len(t) for t in tokens]}
        return Dataset.from_dict(columns)

    def _forward(self, tokens: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
        batch = self.tokenizer.pad({"input_ids": tokens}, return_tensors="pt").to(self.device)
        output = self.model(**batch, output_hidden_states=True)
        hidden = getattr(output, "hidden_states", None) or output.decoder_hidden_states
        mask = batch["attention_mask"].unsqueeze(-1).to(hidden[-1].dtype)
        embedding = (hidden[-1] * mask).sum(1) / mask.sum(1).clamp(min=1)
        return output.logits.float().softmax(-1).cpu().numpy(), embedding.float().cpu().numpy()


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    """Row numbers, longest first, so many at a time that a padded batch stays within the token budget."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda r: -lengths[r]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > TOKENS_PER_BATCH:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _require_weights(folder: Path) -> None:
    if not list(folder.glob("*.safetensors")):
        found = sorted(p.name for p in folder.glob("*")) if folder.is_dir() else "no such folder"
        raise ModelError(
            f"{folder} holds no *.safetensors weights (found: {found}). Upkeep never loads pickles: convert the "
            "model once with `save_pretrained`."
        )


def _config(folder: Path, *, trust: bool) -> Any:
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=trust)
    except (OSError, ValueError) as problem:
        raise ModelError(f"{folder}/config.json is no transformers configuration: {problem}") from problem


def _check_labels(config: Any, labels: Sequence[str], folder: Path) -> None:
    """A classifier whose outputs mean something else would be measured, and served, upside down."""
    named = [str(config.id2label[i]) for i in sorted(config.id2label)]
    generic = all(_GENERIC_LABEL.match(name) for name in named)
    if len(named) != len(labels) or not (generic or named == list(labels)):
        raise ModelError(
            f"{folder} answers with the labels {named}, the spec says {list(labels)}: the same labels in the "
            "same order are needed. Mend `labels`, or drop `model.adopt` to train a new head."
        )


def _give_pad_token(model: Any, tokenizer: Any) -> None:
    """Decoder-only models (GPT-2) come without one, and then find the last token by it."""
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ModelError("the tokenizer has neither a pad nor an end-of-sequence token; add one to it")
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
