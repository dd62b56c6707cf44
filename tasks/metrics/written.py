"""What can be said of written texts one by one, without a reference: how long, how repetitive, how much of it copied.

Words are those of `tasks.metrics.words`, cut into characters where a language does not space them.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.metrics.words import split_words

Shares = NDArray[np.float64]
_REPEATED = 4
"""Words of which a repetition is no accident (Welleck et al., ICLR 2020, count repeated 4-grams)."""


def word_lists(texts: Sequence[str]) -> list[list[str]]:
    """The words of each text, in NFKC and case folded."""
    found = split_words(texts).cut(list)
    names = found.names.to_pylist()
    ends = np.bincount(found.text, minlength=len(texts)).cumsum().tolist()
    named = [names[i] for i in found.name.tolist()]
    return [named[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)] if ends else []


def lengths(texts: Sequence[str]) -> Shares:
    """Words of each text."""
    return np.array([len(words) for words in word_lists(texts)], float)


def repetition(texts: Sequence[str]) -> Shares:
    """Share of each text's 4-grams that it had before; 0 for a text of fewer words."""
    return np.array([_repeated(_grams(words, _REPEATED)) for words in word_lists(texts)], float)


def distinct_bigrams(texts: Sequence[str]) -> Shares:
    """Different bigrams as a share of all of a text (distinct-2, Li et al., NAACL 2016); 1 for a text without any."""
    return np.array([1 - _repeated(_grams(words, 2)) for words in word_lists(texts)], float)


def novel_bigrams(sources: Sequence[str], texts: Sequence[str]) -> Shares:
    """Share of each text's bigrams that its source does not hold: 0 is an extract (See et al., ACL 2017)."""
    pairs = zip(word_lists(sources), word_lists(texts), strict=True)
    return np.array([_outside(_grams(said, 2), _grams(given, 2)) for given, said in pairs], float)


def copied(sources: Sequence[str], texts: Sequence[str]) -> Shares:
    """Share of each text's words that its source holds as well, numbers left out: of a translation, what was not
    translated, and names."""
    pairs = zip(word_lists(sources), word_lists(texts), strict=True)
    return np.array([_inside([w for w in said if not w.isdigit()], given) for given, said in pairs], float)


def _grams(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[i:] for i in range(size)), strict=False))


def _repeated(grams: list[tuple[str, ...]]) -> float:
    return 1 - len(Counter(grams)) / len(grams) if grams else 0.0


def _inside(some: Sequence[object], others: Sequence[object]) -> float:
    known = set(others)
    return sum(one in known for one in some) / len(some) if some else 0.0


def _outside(some: Sequence[object], others: Sequence[object]) -> float:
    return 1 - _inside(some, others) if some else 0.0
