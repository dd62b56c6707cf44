"""Numbers that describe a text without any model or download."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

CHARS_AT_ONCE = 1 << 20
_KNOWN, _LETTER, _SPACE, _UPPER, _WORD = 1, 2, 4, 8, 16
_KINDS = np.zeros(0x110000, np.uint8)
"""What is known of each code point so far; filled as characters are met."""

Counts = NDArray[np.int64]
Codes = NDArray[np.uint8] | NDArray[np.uint32]


def describe(texts: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Descriptor → one value a text. Counted on arrays of code points: ten times as fast as character by character."""
    parts = [_describe(texts[part]) for part in portions(texts)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _describe(texts: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    lengths = np.array([len(text) for text in texts], np.int64)
    codes = code_points("".join(texts))
    kinds = _kinds(codes)
    bounds = np.concatenate([[0], lengths.cumsum()]).astype(np.int64)

    def count(flags: NDArray[np.bool_]) -> Counts:
        return np.diff(np.searchsorted(np.flatnonzero(flags), bounds))

    in_word = kinds & _WORD > 0
    begins = in_word.copy()
    begins[1:] &= ~in_word[:-1]
    starts = bounds[bounds < len(codes)]
    begins[starts] = in_word[starts]  # a word ends where its text does
    words = count(begins)
    return {
        "characters": lengths.astype(float),
        "words": words.astype(float),
        "non-letter share": count(kinds & (_LETTER | _SPACE) == 0) / np.maximum(1, lengths),
        "upper-case share": count(kinds & _UPPER > 0) / np.maximum(1, lengths),
        "mean word length": count(in_word) / np.maximum(1, words),
    }


def code_points(text: str) -> Codes:
    """A byte each where all are Latin, which is a fourth of the memory to go through."""
    try:
        return np.frombuffer(text.encode("latin-1"), np.uint8)
    except UnicodeEncodeError:
        return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def text_of(codes: Codes) -> str:
    return codes.tobytes().decode("latin-1" if codes.dtype == np.uint8 else "utf-32-le")


def in_words(codes: Codes) -> NDArray[np.bool_]:
    """Which of these code points are letters, digits or underscores."""
    return _kinds(codes) & _WORD > 0


def portions(texts: Sequence[str]) -> Iterator[slice]:
    """So many texts at a time that their characters fit into little memory."""
    until = np.array([len(text) for text in texts], np.int64).cumsum()
    begins = np.flatnonzero(np.diff(until // CHARS_AT_ONCE)) + 1
    bounds = [0, *begins.tolist(), len(texts)]
    yield from map(slice, bounds, bounds[1:])


def _kinds(codes: Codes) -> NDArray[np.uint8]:
    kinds = _KINDS[codes]
    new = np.unique(codes[kinds == 0])
    if len(new):
        _KINDS[new] = [_kind(chr(code)) for code in new]
        kinds = _KINDS[codes]
    return kinds


def _kind(character: str) -> int:
    word = character.isalnum() or character == "_"  # as \w has it
    return (_KNOWN | _LETTER * character.isalpha() | _SPACE * character.isspace() | _UPPER * character.isupper()
            | _WORD * word)  # fmt: skip
