"""The tokens of a language model's row: what it is given, and what it is to say.

Every sequence begins with a token that the model need not guess, and ends with one that it must.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from errors import ModelError
from models.adapter import Examples
from models.contracts import ModelKind
from models.prompts import Ids, Prompts
from models.writing import IGNORED


@dataclass(frozen=True)
class Tokens:
    """Tokens of a row: what is given, then what the model is to say; `size` in UTF-8 bytes is of the truth as it was
    cut, None where it is not known."""

    given: Ids
    said: Ids
    size: int | None

    @property
    def ids(self) -> Ids:
        return self.given + self.said


class Sequences:
    """By one tokenizer and for one kind; none is longer than `max_tokens`."""

    def __init__(self, tokenizer: Any, kind: ModelKind, max_tokens: int) -> None:
        self.tokenizer, self.kind, self.asked, self.max_tokens = tokenizer, kind, kind.generation, max_tokens
        self.begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        self.prompts = Prompts(tokenizer, self.asked, self._read)
        self.around = self.prompts.around if kind.truth == "answer" else 0
        new_tokens = kind.generation.max_new_tokens or 0
        if self.around + new_tokens >= max_tokens:
            raise ModelError(
                f"generation.max_new_tokens = {new_tokens} leaves no room for a text: the prompt takes {self.around} tokens, "
                f"and the model (model.max_tokens) has {max_tokens} positions in all; write less, or a shorter prompt, or a "
                "larger model.max_tokens where the model has it"
            )

    def of(self, text: str, label: str | None) -> Tokens:
        end = [self.tokenizer.eos_token_id]
        if self.kind.truth == "text":
            ids, cut = self.prompts.cut(text, self.max_tokens - 2)
            return Tokens([self.begin], ids + end, len(cut.encode()))
        if label is None:
            return Tokens(self.prompts.of(text, room=self.max_tokens - 1), end, None)
        ids, cut = self.prompts.cut(label, min(self.max_tokens // 2, max(1, self.max_tokens - self.around - 2)))
        return Tokens(self.prompts.of(text, room=self.max_tokens - len(ids) - 1), ids + end, len(cut.encode()))

    def dataset(self, examples: Examples) -> Any:
        """What a Trainer is given."""
        from datasets import Dataset

        rows = [self.of(text, label) for text, label in zip(examples.texts, examples.labels, strict=True)]
        if self.kind.truth == "text" and self.asked.packing:
            ids = list(_blocks([row.ids for row in rows], self.max_tokens))
            return Dataset.from_dict({"input_ids": ids, "labels": ids, "length": [len(i) for i in ids]})
        said = [[IGNORED] * len(row.given) + row.said for row in rows]
        columns = {"input_ids": [row.ids for row in rows], "labels": said, "length": [len(row.ids) for row in rows]}
        return Dataset.from_dict(columns)

    def _read(self, words: str) -> Ids:
        if self.asked.chat:
            told = [{"role": "user", "content": words}]
            asked = self.tokenizer.apply_chat_template(told, add_generation_prompt=True, return_dict=True)
            return list(asked["input_ids"]) or [self.begin]
        return [self.begin, *self.tokenizer(words, add_special_tokens=False)["input_ids"]]


def _blocks(rows: list[Ids], size: int) -> Iterator[Ids]:
    """All tokens end to end, cut into blocks; each row ends with its end-of-sequence token."""
    whole = [token for row in rows for token in row]
    for begin in range(0, len(whole), size):
        if len(block := whole[begin : begin + size]) > 1:
            yield block
