"""Ways in which one text can say nearly the same as another; every draw from the generator passed in."""

import unicodedata
from collections.abc import Callable

import numpy as np

from benchmarks.perturb import with_typos

Rng = np.random.Generator
Way = Callable[[str, list[str], Rng], str]
"""(a text, other texts of its corpus, rng) → a duplicate of it."""

_MARKS = ".,!?;:"


def _case(text: str, others: list[str], rng: Rng) -> str:
    return text.upper() if text.upper() != text else text.lower()


def _spacing(text: str, others: list[str], rng: Rng) -> str:
    return "  " + text.replace(" ", "\u00a0 \t") + "\n"


def _form(text: str, others: list[str], rng: Rng) -> str:
    """Full-width letters and composed accents: the same text to a reader."""
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
    return unicodedata.normalize("NFD", wide)


def _punctuation(text: str, others: list[str], rng: Rng) -> str:
    bare = "".join(c for c in text if c not in _MARKS).rstrip()
    return bare + "!" * int(rng.integers(1, 4)) if bare != text else text + "!"


def _word_changed(text: str, others: list[str], rng: Rng) -> str:
    found = text.split(" ")
    found[int(rng.integers(0, len(found)))] = _word_of(others, rng)
    return " ".join(found)


def _word_left_out(text: str, others: list[str], rng: Rng) -> str:
    found = text.split(" ")
    del found[int(rng.integers(0, len(found)))]
    return " ".join(found)


def _word_added(text: str, others: list[str], rng: Rng) -> str:
    found = text.split(" ")
    found.insert(int(rng.integers(0, len(found) + 1)), _word_of(others, rng))
    return " ".join(found)


def _mistyped(text: str, others: list[str], rng: Rng) -> str:
    found = text.split(" ")
    at = int(np.argmax([len(word) * rng.random() for word in found]))
    found[at] = with_typos(found[at], 1.0, rng)
    return " ".join(found)


def _sentence_after(text: str, others: list[str], rng: Rng) -> str:
    return f"{text} {others[int(rng.integers(0, len(others)))]}"


def _sentence_before(text: str, others: list[str], rng: Rng) -> str:
    return f"{others[int(rng.integers(0, len(others)))]} {text}"


def _half(text: str, others: list[str], rng: Rng) -> str:
    found = text.split(" ")
    return " ".join(found[: max(1, (len(found) + 1) // 2)])


def _word_of(others: list[str], rng: Rng) -> str:
    found = others[int(rng.integers(0, len(others)))].split(" ")
    return found[int(rng.integers(0, len(found)))]


EXACT: dict[str, Way] = {"case": _case, "spacing": _spacing, "Unicode form": _form}
"""The same content to Upkeep, whose split is decided by content: such a pair cannot be parted."""
NEAR: dict[str, Way] = {
    "punctuation": _punctuation, "one word changed": _word_changed, "one word left out": _word_left_out,
    "one word added": _word_added, "one word mistyped": _mistyped, "sentence appended": _sentence_after,
    "sentence put before": _sentence_before, "the first half": _half,
}  # fmt: skip
