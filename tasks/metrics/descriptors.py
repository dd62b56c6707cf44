"""Numbers that describe a text without any model or download."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+")

DESCRIPTORS: dict[str, Callable[[str], float]] = {
    "characters": lambda text: float(len(text)),
    "words": lambda text: float(len(_WORD.findall(text))),
    "non-letter share": lambda text: _share(text, lambda c: not c.isalpha() and not c.isspace()),
    "upper-case share": lambda text: _share(text, str.isupper),
    "mean word length": lambda text: float(np.mean([len(w) for w in _WORD.findall(text)] or [0])),
}


def describe(texts: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Descriptor → one value a text."""
    return {name: np.array([value(text) for text in texts], float) for name, value in DESCRIPTORS.items()}


def _share(text: str, counts: Callable[[str], bool]) -> float:
    return sum(map(counts, text)) / max(1, len(text))
