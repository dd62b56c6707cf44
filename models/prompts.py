"""What a model that answers is asked, token by token."""

from collections.abc import Callable
from typing import Any

from models.generation import Generation

Ids = list[int]


class Prompts:
    """By one tokenizer and one `generation.prompt`; `read`: words -> tokens, with those that the model is given around them."""

    def __init__(self, tokenizer: Any, asked: Generation, read: Callable[[str], Ids]) -> None:
        self.tokenizer, self.asked, self.read = tokenizer, asked, read
        self.around = len(read(asked.ask("")))
        """So many tokens the prompt says around a text."""

    def of(self, text: str, *, room: int) -> Ids:
        """A text that is too long is cut at its end; what the prompt says around it stays."""
        whole = self.read(self.asked.ask(text))
        most = max(0, (room - self.around) // self.asked.prompt.count("{text}"))
        while len(whole) > room and most >= 0:
            whole = self.read(self.asked.ask(self.cut(text, most)[1]))
            # half a character that was cut is read again as more tokens than it was
            most -= max(1, min(most, len(whole) - room))
        return whole[:room]

    def cut(self, text: str, most: int) -> tuple[Ids, str]:
        """The first tokens of a text, and the part of it that they say."""
        ids: Ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return (ids, text) if len(ids) <= most else (ids[:most], self.tokenizer.decode(ids[:most]))
