"""Refuses a model whose answer to a row hangs on the longer ones that it is padded beside: it would be measured by one
answer and used by another. Whether it does is tried as it is loaded."""

from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch

from errors import ModelError
from models.prompts import Ids

FEW, MANY = 3, 16
"""Tokens of the row that is tried, and of the one beside it."""
LEAK = 0.01
"""Of the size (L2) of what is answered. `benchmarks.neighbours`: rounding moves it by about a millionth; base models of kinds
that read what pads a row by 6 % (Nyströmformer) to 90 % (FNet), narrow ones by less, so that some pass. Not lower, since
bf16, in which code of one's own may compute, moved MiniLM's by 0.9 %, tried once by hand."""

Read = Callable[[list[Ids]], Sequence[Any]]
"""Rows of tokens, padded as they are in a run -> what is answered: arrays with a row for each."""


@torch.inference_mode()
def refuse_neighbours(read: Read, model: Any, tokenizer: Any, folder: Path, *, longest: int, instead: str) -> None:
    """`longest`: so many tokens at most has a row; `instead` says what to begin with. BigBird reads sparsely until it was given a
    short row, and all of a text ever after: with this one the latter begins at once."""
    model.eval()
    few, many = _rows(model, tokenizer, longest)
    moved = max(_moved(*found) for found in zip(read([few]), read([few, many]), strict=True))
    if moved > LEAK:
        raise ModelError(f"{folder} is a {type(model).__name__}, and what it makes of a text hangs on the longer ones beside it in a "
                         f"batch: there it moves by {moved:.1%} of its size, and {LEAK:.0%} is left to rounding. It would be measured by "
                         f"one answer and used by another; {instead}")  # fmt: skip


def _moved(alone: Any, beside: Any) -> float:
    """NaN, by which nothing is refused, where an answer is no number: who reads on is told so."""
    one, two = torch.as_tensor(alone), torch.as_tensor(beside)
    return float(torch.dist(one[0], two[0]) / two.norm())


def _rows(model: Any, tokenizer: Any, longest: int) -> tuple[Ids, Ids]:
    """Of different tokens; BART's and T5's classifiers answer from the one that ends a row."""
    end = [model.config.eos_token_id] if model.config.is_encoder_decoder else []
    words = [token for token in range(min(len(tokenizer), 2 * MANY + len(tokenizer.all_special_ids)))
             if token not in {*end, *tokenizer.all_special_ids}]  # fmt: skip
    many = list(islice(cycle(words), max(1, min(MANY, longest - len(end)))))
    return many[:FEW] + end, many + end
