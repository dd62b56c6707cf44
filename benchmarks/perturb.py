"""Typing errors, seeded: what a person in a hurry does to a word."""

import numpy as np

MIN_LETTERS = 3
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {a: row[max(0, i - 1) : i] + row[i + 1 : i + 2] for row in _ROWS for i, a in enumerate(row)}


def with_typos(text: str, share: float, rng: np.random.Generator) -> str:
    """Each word of three letters or more gets one error with probability `share`: two neighbours swapped, a letter
    left out, typed twice, or the key beside it."""
    words = text.split(" ")
    return " ".join(
        _mistyped(word, rng) if len(word) >= MIN_LETTERS and rng.random() < share else word for word in words
    )


def _mistyped(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(0, len(word) - 1))
    here, after = word[at], word[at + 1]
    beside = _BESIDE.get(here.lower(), here)
    return word[:at] + (
        after + here + word[at + 2 :],
        word[at + 1 :],
        here + word[at:],
        beside[int(rng.integers(0, len(beside)))] + word[at + 1 :],
    )[int(rng.integers(0, 4))]  # fmt: skip
