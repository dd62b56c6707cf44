"""Language models that go on with a text: GPT-2 and its kind, and chat models with a template.

A row's truth is either its own text (continued pre-training) or an answer to it (supervised fine-tuning: the loss is of
the answer alone).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from errors import ModelError
from models.adapter import UNLIMITED, Advance, Examples, Predictions, Trained
from models.chat_templates import try_template
from models.contracts import Budget, ModelKind
from models.loading import PROBED_FROM, load_parts, longest, read_config, token_batches
from models.neighbours import refuse_neighbours
from models.outputs import columns_of
from models.prompts import Ids
from models.recipe import Training
from models.sequences import Sequences, Tokens
from models.threads import choose_threads
from models.writing import collator, first_logits, logit_tokens, pad_left, require_answers, token_losses, write

SEEN = 1e-3
"""Of the spread of a token's logits: what rounding may move them by."""
INSTEAD = "begin with another kind of decoder (GPT-2, Llama and their kind)"


class CausalLM:
    """A decoder with its tokenizer on the fastest device at hand."""

    def __init__(self, model: Any, tokenizer: Any, kind: ModelKind) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model, self.tokenizer, self.kind = model.to(self.device), tokenizer, kind
        self.asked, self.new_tokens = kind.generation, kind.generation.max_new_tokens or 0
        self.max_tokens = longest(model, kind)
        self.sequences = Sequences(tokenizer, kind, self.max_tokens)

    @classmethod
    def load(cls, folder: Path, kind: ModelKind, *, new_head: bool) -> Self:
        """A language model's head is its vocabulary: `new_head` changes nothing."""
        read_config(folder, kind)
        model, tokenizer = load_parts(AutoModelForCausalLM, folder, kind, wanted="a causal language model")
        if tokenizer.eos_token_id is None:
            raise ModelError(
                f"{folder}: the tokenizer has no end-of-sequence token, so no answer would ever end; add one"
            )
        if kind.generation.chat:
            _require_template(tokenizer, folder)
        found = cls(model, tokenizer, kind)
        _require_blindness(found.model, folder)
        refuse_neighbours(lambda rows: [found._measured([Tokens(row, [], None) for row in rows])[1]], found.model, tokenizer, folder,
                          longest=found.max_tokens, instead=INSTEAD)  # fmt: skip
        if found.new_tokens:
            require_answers(found.model, tokenizer, kind.generation)
            refuse_neighbours(lambda rows: [first_logits(found.model, tokenizer, rows)], found.model, tokenizer, folder,
                              longest=found.max_tokens,
                              instead=f"{INSTEAD}, or have nothing written (generation.max_new_tokens: 0)")  # fmt: skip
        return found

    @torch.inference_mode()
    def predict(
        self, texts: Sequence[str], *, labels: Sequence[str | None] | None = None, advance: Advance
    ) -> Predictions:
        """`models/outputs.py` names the numbers; embeddings are of what was given, so that no answer shines through."""
        self.model.eval()
        rows = [
            self.sequences.of(text, label) for text, label in zip(texts, labels or [None] * len(texts), strict=True)
        ]
        if len(rows) >= PROBED_FROM:
            choose_threads(lambda: self._losses([row.ids for row in rows[:4]]))
        numbers = np.full((len(rows), len(columns_of(self.kind))), np.nan, np.float32)
        embeddings = np.zeros((len(rows), self._width()), np.float32)
        written = [""] * len(rows)
        for batch in token_batches([len(row.ids) + self.new_tokens for row in rows], tokens=logit_tokens(self.model)):
            some = [rows[i] for i in batch]
            numbers[batch, :5], embeddings[batch] = self._measured(some)
            if self.new_tokens:
                texts_, confidence = self._write([texts[i] for i in batch], some)
                numbers[batch, 5] = confidence
                for i, said in zip(batch, texts_, strict=True):
                    written[i] = said
            advance(len(batch))
        return Predictions(numbers, embeddings, written if self.new_tokens else None)

    def fine_tune(
        self, train: Examples, validation: Examples, *, training: Training, seed: int, work: Path, advance: Advance,
        budget: Budget = UNLIMITED,
    ) -> Trained:  # fmt: skip
        from models.training import Lesson, fine_tune  # the Trainer costs six seconds of imports

        lesson = Lesson(self.sequences.dataset(train), self.sequences.dataset(validation), collator(self.tokenizer),
                        lora_task="CAUSAL_LM", embeddings_learn=True, probe=self._probe)  # fmt: skip
        self.model, trained = fine_tune(
            self.model, lesson, training=training, seed=seed, work=work, advance=advance, budget=budget
        )
        return trained

    def save(self, folder: Path) -> None:
        self.model.float().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _probe(self) -> Any:
        return self._losses([[self.tokenizer.eos_token_id] * 32] * 8)

    def _width(self) -> int:
        """Of the last layer: a model that also sees has its language's part in its configuration, and OPT-350m's is narrower."""
        config = self.model.config.get_text_config()
        return int(getattr(config, "word_embed_proj_dim", None) or config.hidden_size)

    def _measured(self, rows: list[Tokens]) -> tuple[np.ndarray, np.ndarray]:
        """The first five numbers, and embeddings."""
        losses, hidden = self._losses([row.ids for row in rows])
        numbers, embeddings = np.full((len(rows), 5), np.nan), np.zeros((len(rows), hidden.shape[-1]))
        for i, row in enumerate(rows):
            given = len(row.given)
            of_text = losses[i, : len(row.ids) - 1] if self.kind.truth == "text" else losses[i, : given - 1]
            numbers[i, 3:] = float(of_text.sum()), max(1, len(of_text))
            if row.size is not None:
                said = losses[i, given - 1 : len(row.ids) - 1]
                numbers[i, :3] = float(said.sum()), len(said), max(1, row.size)
            embeddings[i] = hidden[i, : len(row.ids) if self.kind.truth == "text" else given].mean(0).cpu().numpy()
        return numbers, embeddings

    def _losses(self, ids: list[Ids]) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows × (tokens - 1): the loss of each token after the first; rows × tokens × width: the last layer."""
        length = max(map(len, ids))
        tokens = torch.full((len(ids), length), self.tokenizer.pad_token_id, device=self.device)
        mask = torch.zeros_like(tokens)
        for i, row in enumerate(ids):
            tokens[i, : len(row)], mask[i, : len(row)] = torch.tensor(row, device=self.device), 1
        output = self.model(input_ids=tokens, attention_mask=mask, output_hidden_states=True)
        return token_losses(output.logits[:, :-1], tokens[:, 1:]), output.hidden_states[-1].float()

    def _write(self, texts: list[str], rows: list[Tokens]) -> tuple[list[str], list[float]]:
        """Answers, or how the first half of a text goes on, each with the model's confidence in it."""
        room = self.max_tokens - self.new_tokens
        given = [self._begun(row)[:room] if self.kind.truth == "text" else self.sequences.prompts.of(text, room=room)
                 for text, row in zip(texts, rows, strict=True)]  # fmt: skip
        tokens, mask = pad_left(given, self.tokenizer.pad_token_id, self.device)
        said = write(self.model, self.tokenizer, self.asked, self.new_tokens, input_ids=tokens, attention_mask=mask)
        answers = [row[tokens.shape[1] :] for row in said]
        losses, _ = self._losses([g + a for g, a in zip(given, answers, strict=True)])
        sure = [float(torch.exp(-losses[i, len(g) - 1 : len(g) + len(a) - 1].mean())) if a else 1.0
                for i, (g, a) in enumerate(zip(given, answers, strict=True))]  # fmt: skip
        return self.tokenizer.batch_decode(answers, skip_special_tokens=True), sure

    @staticmethod
    def _begun(row: Tokens) -> Ids:
        return row.ids[: len(row.ids) // 2]


@torch.inference_mode()
def _require_blindness(model: Any, folder: Path) -> None:
    """transformers loads an encoder such as BERT as a language model, too: it sees the token that it is to guess, and what it
    is measured by says nothing."""
    tokens = torch.tensor([[0, 0], [0, 1]], device=model.device)
    one, other = model.eval()(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits[:, 0].float()
    if (one - other).abs().max() > SEEN * one.std():
        raise ModelError(f"{folder} is a {type(model).__name__} that sees the tokens behind the one that it reads, and would be asked "
                         "to guess what it sees; begin with a decoder (GPT-2, Llama and their kind), or, where it was trained "
                         "as one, say is_decoder: true in its config.json")  # fmt: skip


def _require_template(tokenizer: Any, folder: Path) -> None:
    if not tokenizer.chat_template:
        raise ModelError(f"{folder}: generation.chat is true and the tokenizer has no chat template; save it with one")
    try_template(tokenizer, folder, roles=["user"], told="a user's words", otherwise="drop generation.chat")
