"""Whether a summary says what its document says, by a model of entailment: zero-shot SummaC (Laban et al., TACL 2022).

Each sentence of a summary counts as much as that sentence of the document supports it from which it follows most
probably. What follows from two sentences together and from neither alone counts as unsupported.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Entails = Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]
"""Premises and hypotheses → the probability that each hypothesis follows from its premise."""
PAIRS_AT_ONCE = 8192
_BETWEEN = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？；])|\n+")


def split_sentences(text: str) -> list[str]:
    """By their marks and by lines; in Chinese and Japanese without spaces between them. An abbreviation ends one, too;
    marks alone are none."""
    return [part.strip() for part in _BETWEEN.split(text) if any(map(str.isalnum, part))]


def faithfulness(documents: Sequence[str], summaries: Sequence[str], entails: Entails) -> NDArray[np.float64]:
    """Of each summary, 0 to 1. One that says nothing is 0: an answer that failed is not faithful."""
    found = np.zeros(len(summaries))
    waiting: list[tuple[int, list[str], list[str]]] = []
    held = 0
    for row, (document, summary) in enumerate(zip(documents, summaries, strict=True)):
        given, said = split_sentences(document), split_sentences(summary)
        if given and said:
            waiting.append((row, given, said))
            held += len(given) * len(said)
        if held >= PAIRS_AT_ONCE:
            _judge(waiting, entails, found)
            waiting, held = [], 0
    _judge(waiting, entails, found)
    return found


def _judge(waiting: list[tuple[int, list[str], list[str]]], entails: Entails, found: NDArray[np.float64]) -> None:
    """Writes the rows' shares into `found`."""
    pairs = [(premise, hypothesis) for _, given, said in waiting for hypothesis in said for premise in given]
    if not pairs:
        return
    probability, first = entails([p for p, _ in pairs], [h for _, h in pairs]), 0
    for row, given, said in waiting:
        last = first + len(given) * len(said)
        found[row] = probability[first:last].reshape(len(said), len(given)).max(1).mean()
        first = last
