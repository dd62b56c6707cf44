"""Sequence classifiers that read two texts together: whether one follows from the other, how well one answers the other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from transformers import AutoModelForSequenceClassification

from errors import ModelError
from models.adapter import Advance
from models.chat_templates import try_template
from models.contracts import ModelKind
from models.loading import (
    PROBED_FROM,
    as_text,
    load_parts,
    pad_behind,
    positions_of,
    read_config,
    require_end,
    token_batches,
    unknown,
)
from models.neighbours import refuse_neighbours
from models.threads import choose_threads

LONGEST = 4096
"""Tokens of a pair, where neither the model nor its tokenizer says fewer."""
HEAD = "ForSequenceClassification"


class TextPairs:
    """A tokenizer and a classifier on the fastest device at hand; read only, never trained."""

    def __init__(self, folder: Path, *, wanted: str, refuse: Callable[[Any, Path], None]) -> None:
        """`refuse` raises ModelError for a configuration that does not fit."""
        self.folder, self.wanted = folder, wanted
        kind = ModelKind(task="text-classification", labels=(), max_tokens=LONGEST, seed=0)
        config = read_config(folder, kind)
        refuse(config, folder)
        self.model, self.tokenizer = load_parts(AutoModelForSequenceClassification, folder, kind, wanted=wanted)
        require_end(self.tokenizer, self.model, folder)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = self.model.to(self.device).eval()
        pad_behind(self.tokenizer, self.model)
        told = int(min(self.tokenizer.model_max_length, LONGEST))
        self.max_tokens = min(told, positions_of(self.model) or told)
        refuse_neighbours(lambda rows: [self._forward([{"input_ids": ids} for ids in rows])], self.model, self.tokenizer, folder,
                          longest=self.max_tokens, instead="name another kind of model")  # fmt: skip

    @torch.inference_mode()
    def logits(self, firsts: Sequence[str], seconds: Sequence[str], *, advance: Advance) -> NDArray[np.float32]:
        """pairs × outputs. Of a pair that is too long, the longer text is cut. Raises ModelError where one is no number: it
        would speak for either side."""
        encoded = [self._encode(*pair) for pair in zip(firsts, seconds, strict=True)]
        if len(encoded) >= PROBED_FROM:
            choose_threads(lambda: self._forward(encoded[:8]))
        found = np.zeros((len(encoded), self.model.config.num_labels), np.float32)
        for rows in token_batches([len(pair["input_ids"]) for pair in encoded]):
            found[rows] = self._forward([encoded[row] for row in rows])
            advance(len(rows))
        if not np.isfinite(found).all():
            raise ModelError(f"{self.folder}: {self.wanted} answers with what is no number (NaN or infinity): its weights are "
                             "damaged. Nothing was measured by it; name another one, or the same saved anew")  # fmt: skip
        return found

    def _encode(self, first: str, second: str) -> dict[str, list[int]]:
        pair = self.tokenizer(
            first, second, truncation="longest_first", max_length=self.max_tokens, **as_text(self.model)
        )
        one = {"input_ids": [unknown(self.tokenizer)], "attention_mask": [1]}
        return {name: pair[name] or one.get(name, [0]) for name in self.tokenizer.model_input_names if name in pair}

    def _forward(self, pairs: list[dict[str, list[int]]]) -> NDArray[np.float32]:
        batch = self.tokenizer.pad(pairs, return_tensors="pt").to(self.device)
        logits: NDArray[np.float32] = self.model(**batch).logits.float().cpu().numpy()
        return logits


class Entailment(TextPairs):
    """Whether a text follows from another, as natural language inference has it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, wanted="a model of entailment", refuse=refuse_no_entailment)
        self.label = _entailment(self.model.config)[0]

    def probabilities(
        self, premises: Sequence[str], hypotheses: Sequence[str], *, advance: Advance
    ) -> NDArray[np.float64]:
        """That each hypothesis follows from its premise."""
        logits = self.logits(premises, hypotheses, advance=advance).astype(float)
        shares: NDArray[np.float64] = softmax(logits, axis=1)[:, self.label]
        return shares


class Reward(TextPairs):
    """How good an answer to a prompt is. A tokenizer with a chat template gets a chat of both, any other one a pair."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, wanted="a reward model", refuse=refuse_no_reward)
        if self.tokenizer.chat_template:
            try_template(self.tokenizer, folder, roles=["user", "assistant"], told="a prompt and its answer",
                         otherwise="name another model")  # fmt: skip

    def scores(self, prompts: Sequence[str], answers: Sequence[str], *, advance: Advance) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self.logits(prompts, answers, advance=advance)[:, 0]
        return found

    def _encode(self, first: str, second: str) -> dict[str, list[int]]:
        if not self.tokenizer.chat_template:
            return super()._encode(first, second)
        turns = [{"role": "user", "content": first}, {"role": "assistant", "content": second}]
        chat = self.tokenizer.apply_chat_template(turns, tokenize=False)
        ids = self.tokenizer(chat, add_special_tokens=False)["input_ids"][-self.max_tokens :] or [
            unknown(self.tokenizer)
        ]
        return {"input_ids": ids, "attention_mask": [1] * len(ids)}


def refuse_no_entailment(config: Any, folder: Path) -> None:
    _refuse_no_head(config, folder)
    if len(_entailment(config)) != 1:
        named = [str(config.id2label[i]) for i in sorted(config.id2label)]
        raise ModelError(f"{folder}, evaluation.entailment_model: its labels are {named}, and one of them has to be named "
                         "entailment; mend id2label in its config.json, or name another model")  # fmt: skip


def refuse_no_reward(config: Any, folder: Path) -> None:
    _refuse_no_head(config, folder)
    if config.num_labels != 1:
        raise ModelError(f"{folder}, evaluation.judge.reward_model: it has {config.num_labels} outputs, and a reward model has "
                         "one, the score of an answer; name another model")  # fmt: skip


def _refuse_no_head(config: Any, folder: Path) -> None:
    """transformers would make up the head that is missing."""
    named = list(config.architectures or ())
    if not any(name.endswith(HEAD) for name in named):
        raise ModelError(f"{folder} is {named or 'of no named architecture'}, and what measures others is a trained …{HEAD}; "
                         "name such a model")  # fmt: skip


def _entailment(config: Any) -> list[int]:
    """`not_entailment` is another label."""
    return [i for i, name in config.id2label.items() if str(name).lower().startswith("entail")]
