"""What the texts are made of: words the model never trained on, other scripts, and the words that tell two sides apart.

No language is assumed: a word is a run of letters, digits and underscores, and where words are not spaced (Chinese
characters, kana) each character is one.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from errors import DataError
from models.rows import normalised

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_TOKEN = re.compile(f"[{_UNSPACED}]|(?:(?![{_UNSPACED}])\\w)+")
_CHUNK = re.compile(f"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])\\w)+")
_FIRST_UNSPACED, _DIGIT = re.compile(f"[{_UNSPACED}]"), re.compile(r"\d")
_SPACED = re.compile(r"\w+")
"""What the two come to where every word is spaced: three times as fast."""

TELLING_ROWS = 20_000
_LEVEL = 0.05
_PRIOR_SHARE = 0.1


def vocabulary(texts: Iterable[str], *, at_least: int = 2) -> frozenset[str]:
    """The words that at least so many of these texts hold. Give it the *training* rows."""
    held = Counter[str]()
    for text in texts:
        held.update(set(_words(text)))
    return frozenset(word for word, count in held.items() if count >= at_least)


def out_of_vocabulary(texts: Sequence[str], known: frozenset[str]) -> NDArray[np.float64]:
    """Share of each text's words that are not `known`; 0 for a text without words.

    Compare windows with rows that the vocabulary was *not* made of: the training rows' own share is lower by
    construction, and a test against them would alarm on every window.
    """
    shares = np.zeros(len(texts))
    for row, text in enumerate(texts):
        words = _words(text)
        if words:
            shares[row] = 1 - sum(map(known.__contains__, words)) / len(words)
    return shares


def dominant_script(texts: Iterable[str]) -> str:
    """The script of most letters, by the name that Unicode begins theirs with (LATIN, CYRILLIC, CJK, ARABIC …).

    Raises DataError where there is no letter.
    """
    found = Counter[str]()
    for text in texts:
        for letter, count in _letters(text).items():
            found[_script(letter)] += count
    if not found:
        raise DataError("no text has a letter, so that no script is dominant; leave the signal out")
    return min(found, key=lambda script: (-found[script], script))


def foreign_letters(texts: Sequence[str], script: str) -> NDArray[np.float64]:
    """Share of each text's letters that are of another script; 0 for a text without letters."""
    shares = np.zeros(len(texts))
    for row, text in enumerate(texts):
        letters = _letters(text)
        if letters:
            foreign = sum(count for letter, count in letters.items() if _script(letter) != script)
            shares[row] = foreign / letters.total()
    return shares


@dataclass(frozen=True)
class Telling:
    """A word, and how many rows hold it; `z` above 0: more of the current rows than of the reference's do."""

    word: str
    z: float
    reference_rows: int
    current_rows: int


@dataclass(frozen=True)
class TellingWords:
    """The strongest first. The rows that were counted are fewer than those given where more than `TELLING_ROWS` a
    side were."""

    more: tuple[Telling, ...]
    fewer: tuple[Telling, ...]
    reference_counted: int
    current_counted: int


def telling_words(
    reference: Sequence[str], current: Sequence[str], *, most: int = 15, rng: np.random.Generator
) -> TellingWords:
    """The words that tell current texts from reference texts, in both directions: those that some word of as many
    would reach in one of twenty windows in which none changed (Bonferroni).

    z-scores of the log-odds-ratio with an informative Dirichlet prior (Monroe, Colaresi and Quinn, "Fightin' words",
    Political Analysis 2008), over *rows that hold the word*: words of one row are not independent, rows are. The
    prior is the word's share among all rows, worth a tenth of the smaller side, plus half a row, so that a word that
    one side lacks has a finite score. Where words are not spaced, pairs of neighbouring characters stand for them.
    Raises DataError for an empty side.
    """
    if not reference or not current:
        raise DataError(
            f"words tell two sides apart; there are {len(reference)} reference and {len(current)} current texts"
        )
    sides = [_held_by(_sampled(texts, rng)) for texts in (reference, current)]
    sizes = [min(TELLING_ROWS, len(texts)) for texts in (reference, current)]
    words = sorted(word for word in sides[0] | sides[1] if sides[0][word] + sides[1][word] > 1)
    counts = np.array([[side[word] for word in words] for side in sides], float).reshape(2, -1)
    z = _z_scores(counts, np.array(sizes, float))
    least = float(stats.norm.isf(_LEVEL / 2 / max(1, len(words))))
    found = [
        Telling(words[i], float(z[i]), int(counts[0, i]), int(counts[1, i])) for i in np.argsort(-abs(z), kind="stable")
    ]
    return TellingWords(
        tuple([word for word in found if word.z >= least][:most]),
        tuple([word for word in found if word.z <= -least][:most]), sizes[0], sizes[1],
    )  # fmt: skip


def _z_scores(counts: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    share = counts.sum(0) / rows.sum()
    weight = _PRIOR_SHARE * rows.min()
    held = counts + weight * share + 0.5
    lacking = rows[:, None] - counts + weight * (1 - share) + 0.5
    odds = np.log(held / lacking)
    return (odds[1] - odds[0]) / np.sqrt((1 / held + 1 / lacking).sum(0))


def _sampled(texts: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    if len(texts) <= TELLING_ROWS:
        return iter(texts)
    return (texts[i] for i in np.sort(rng.permutation(len(texts))[:TELLING_ROWS]))


def _held_by(texts: Iterator[str]) -> Counter[str]:
    held = Counter[str]()
    for text in texts:
        held.update(set(_telling_tokens(text)))
    return held


def _telling_tokens(text: str) -> Iterable[str]:
    text = normalised(text)
    return _with_pairs(text) if _FIRST_UNSPACED.search(text) else _SPACED.findall(text)


def _with_pairs(text: str) -> Iterator[str]:
    for chunk in _CHUNK.findall(text):
        if len(chunk) > 1 and _FIRST_UNSPACED.match(chunk):
            yield from (chunk[i : i + 2] for i in range(len(chunk) - 1))
        else:
            yield chunk


def _words(text: str) -> list[str]:
    """Digits become zeros: a new number is not a new word, unless it is longer than any before."""
    text = _DIGIT.sub("0", normalised(text))
    return (_TOKEN if _FIRST_UNSPACED.search(text) else _SPACED).findall(text)


def _letters(text: str) -> Counter[str]:
    return Counter(filter(str.isalpha, unicodedata.normalize("NFKC", text)))


@lru_cache(maxsize=1 << 16)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").split(" ", 1)[0]
