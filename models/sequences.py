"""The tokens of a language model's row: what it is given, and what it is to say.

Every sequence begins with a token that the model need not guess, and ends with one that it must.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from errors import ModelError
from models.adapter import Examples
from models.contracts import ModelKind
from models.writing import IGNORED

Ids = list[int]


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
        self.around = len(self._asked("")) if kind.truth == "answer" else 0
        """So many tokens the prompt says around a text."""
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
            ids, cut = self._cut(text, self.max_tokens - 2)
            return Tokens([self.begin], ids + end, len(cut.encode()))
        if label is None:
            return Tokens(self.prompt(text, room=self.max_tokens - 1), end, None)
        ids, cut = self._cut(label, min(self.max_tokens // 2, max(1, self.max_tokens - self.around - 2)))
        return Tokens(self.prompt(text, room=self.max_tokens - len(ids) - 1), ids + end, len(cut.encode()))

    def prompt(self, text: str, *, room: int) -> Ids:
        """A text that is too long is cut at its end; what the template says around it stays."""
        whole = self._asked(text)
        most = max(1, (room - self.around) // self.asked.prompt.count("{text}"))
        while len(whole) > room and most > 0:
            whole = self._asked(self._cut(text, most)[1])
            most -= max(1, len(whole) - room)  # half a character that was cut is read again as more tokens than it was
        return whole[:room]

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

    def _asked(self, text: str) -> Ids:
        words = self.asked.ask(text)
        if self.asked.chat:
            told = [{"role": "user", "content": words}]
            return list(
                self.tokenizer.apply_chat_template(told, add_generation_prompt=True, return_dict=True)["input_ids"]
            )
        return [self.begin, *self.tokenizer(words, add_special_tokens=False)["input_ids"]]

    def _cut(self, text: str, most: int) -> tuple[Ids, str]:
        """The first tokens of a text, and the part of it that they say."""
        ids: Ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return (ids, text) if len(ids) <= most else (ids[:most], self.tokenizer.decode(ids[:most]))


def _blocks(rows: list[Ids], size: int) -> Iterator[Ids]:
    """All tokens end to end, cut into blocks; each row ends with its end-of-sequence token."""
    whole = [token for row in rows for token in row]
    for begin in range(0, len(whole), size):
        if len(block := whole[begin : begin + size]) > 1:
            yield block
