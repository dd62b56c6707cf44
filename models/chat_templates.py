"""A model's chat template is a program of its own, which transformers runs in a sandbox: it is tried when the model is loaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from errors import ModelError
from models.loading import UNREADABLE


def try_template(tokenizer: Any, folder: Path, *, roles: Sequence[str], told: str, otherwise: str) -> None:
    """Raises ModelError where it cannot be filled in with a message of each role, which are `told` in words; `otherwise`: the
    way out besides another template."""
    turns = [{"role": role, "content": "words"} for role in roles]
    try:
        tokenizer.apply_chat_template(turns, add_generation_prompt=roles[-1] == "user", tokenize=False)
    except (TemplateError, *UNREADABLE) as problem:
        raise ModelError(f"{folder}: its chat template cannot be filled in with {told}: {problem}. Save the tokenizer with one "
                         f"that can, or {otherwise}") from problem  # fmt: skip
