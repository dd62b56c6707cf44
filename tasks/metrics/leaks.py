"""Does a training text say (nearly) the same as a sealed one? Every pair at the threshold is found: nothing is sketched.

Words and not shingles, since in a sentence of twelve words one changed word leaves .54 of the 3-shingles and .85 of
the words. Pairs come from prefix filtering (Chaudhuri, Ganti and Kaushik, ICDE 2006; Bayardo, Ma and Srikant, WWW
2007): with words in one order, rarest first, texts that are so similar share one of the first few.
"""

import math
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from models.rows import normalised

MIN_WORDS = 5
"""A shorter text repeats another only with the very same words."""
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")


def words(text: str) -> list[str]:
    """Its words without case, punctuation and white space; every character of Chinese, Japanese or Korean is one."""
    return _WORD.findall(normalised(text))


class SealedTexts:
    """An index of sealed texts. Memory: their own, and some ten bytes a word."""

    def __init__(self, texts: Iterable[str], *, threshold: float) -> None:
        """`threshold`: the Jaccard similarity of word sets from which a text repeats another, in (0, 1]."""
        self.threshold = threshold
        self._texts = [_joined(words(text)) for text in texts]
        self._sizes = array("I", (len(set(text.split())) for text in self._texts))
        self._frequency = Counter(word for text in self._texts for word in set(text.split()))
        self._containing = self._index(set)
        self._rare = self._index(lambda found: self._prefix(set(found)))
        self._beginning = self._index(lambda found: _runs(found[:MIN_WORDS]))

    def repeated_by(self, text: str) -> int | None:
        """The number of a sealed text that `text` repeats; None where there is none.

        It repeats one that has the same words in the same order. From `MIN_WORDS` words a text it also repeats one
        that shares `threshold` of the words of both, and one that lies within it, or it within that, in one piece.
        """
        found = words(text)
        if not found:
            return None
        one, mine = _joined(found), set(found)
        for number in self._candidates(found, mine):
            if self._repeats(one, mine, number):
                return number
        return None

    def _candidates(self, found: list[str], mine: set[str]) -> Iterator[int]:
        prefix = self._prefix(mine)
        yield from self._containing.get(prefix[0], ())  # sealed texts that it may be a part of
        for word in prefix:
            yield from self._rare.get(word, ())
        for run in _runs(found):
            yield from self._beginning.get(run, ())  # sealed texts that may be a part of it

    def _repeats(self, one: str, mine: set[str], number: int) -> bool:
        other = self._texts[number]
        if one == other:
            return True
        if min(one.count(" "), other.count(" ")) <= MIN_WORDS:
            return False
        if one in other or other in one:
            return True
        least, most = sorted((len(mine), self._sizes[number]))
        if least < self.threshold * most:
            return False
        shared = len(mine.intersection(other.split()))
        return shared >= self.threshold * (least + most - shared)

    def _prefix(self, mine: set[str]) -> list[str]:
        """Its rarest words: of two texts that share t of n words, any n - t + 1 of one hold a shared one."""
        rarest = sorted(mine, key=lambda word: (self._frequency[word], word))
        return rarest[: len(rarest) - math.ceil(self.threshold * len(rarest) - 1e-9) + 1]

    def _index(self, keys: Callable[[list[str]], Iterable[str]]) -> dict[str, Sequence[int]]:
        """Key → numbers of the texts that have it."""
        index: defaultdict[str, array[int]] = defaultdict(lambda: array("I"))
        for number, text in enumerate(self._texts):
            for key in keys(text.split()):
                index[key].append(number)
        return dict(index)


def _runs(found: list[str]) -> Iterator[str]:
    """Every `MIN_WORDS` words in a row."""
    return (" ".join(found[i : i + MIN_WORDS]) for i in range(len(found) - MIN_WORDS + 1))


def _joined(found: list[str]) -> str:
    """With a space at both ends, so that a part of it is made of whole words."""
    return f" {' '.join(found)} " if found else ""
