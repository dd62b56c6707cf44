"""What the texts are made of: words the model never trained on, and the words that tell two sides apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import stats

from errors import DataError
from models.contracts import TellingWord
from tasks.metrics.words import Words

_LEVEL = 0.05
_PRIOR_SHARE = 0.1


def vocabulary(words: Words, *, at_least: int = 2) -> frozenset[str]:
    """The words that at least so many texts hold. Give it those of the *training* rows."""
    single = words.cut(list).without_numbers()
    return frozenset(single.names.filter(pa.array(single.holding() >= at_least)).to_pylist())


def out_of_vocabulary(words: Words, known: frozenset[str]) -> NDArray[np.float64]:
    """Share of each text's words that are not `known`; 0 for a text without words.

    Compare windows with rows that the vocabulary was *not* made of: the training rows' own share is lower by
    construction, and a test against them would alarm on every window.
    """
    single = words.cut(list).without_numbers()
    is_known = pc.is_in(single.names, value_set=pa.array(known, pa.string())).to_numpy(zero_copy_only=False)
    unknown, all_ = (
        np.bincount(text, minlength=single.texts) for text in (single.text[~is_known[single.name]], single.text)
    )
    return unknown / np.maximum(1, all_)


@dataclass(frozen=True)
class TellingWords:
    """The strongest first."""

    more: tuple[TellingWord, ...]
    fewer: tuple[TellingWord, ...]


def telling_words(reference: Words, current: Words, *, most: int = 15) -> TellingWords:
    """The words that tell current texts from reference texts, in both directions: those that some word of as many
    would reach in one of twenty windows in which none changed (Bonferroni).

    z-scores of the log-odds-ratio with an informative Dirichlet prior (Monroe, Colaresi and Quinn, "Fightin' words",
    Political Analysis 2008), over *rows that hold the word*: words of one row are not independent, rows are. The
    prior is the word's share among all rows, worth a tenth of the smaller side, plus half a row, so that a word that
    one side lacks has a finite score. Where words are not spaced, pairs of neighbouring characters stand for them.
    Raises DataError for an empty side.
    """
    if not reference.texts or not current.texts:
        raise DataError(
            f"words tell two sides apart; there are {reference.texts} reference and {current.texts} current texts"
        )
    words, counts = _counted([side.cut(_pairs) for side in (reference, current)])
    z = _z_scores(counts, np.array([reference.texts, current.texts], float))
    least = float(stats.norm.isf(_LEVEL / 2 / max(1, len(words))))
    found = [
        TellingWord(word=words[i], z=float(z[i]), reference_rows=int(counts[0, i]), current_rows=int(counts[1, i]))
        for i in np.argsort(-abs(z), kind="stable")
        if abs(z[i]) >= least
    ]
    more, fewer = ([word for word in found if sign * word.z > 0] for sign in (1, -1))
    return TellingWords(tuple(more[:most]), tuple(fewer[:most]))


def _z_scores(counts: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    share = counts.sum(0) / rows.sum()
    weight = _PRIOR_SHARE * rows.min()
    held = counts + weight * share + 0.5
    lacking = rows[:, None] - counts + weight * (1 - share) + 0.5
    odds = np.log(held / lacking)
    return (odds[1] - odds[0]) / np.sqrt((1 / held + 1 / lacking).sum(0))


def _counted(sides: Sequence[Words]) -> tuple[list[str], NDArray[np.float64]]:
    """The words that more than one text holds, in their order, and sides × words: how many texts hold them."""
    names = pa.chunked_array([side.names for side in sides]).unique()
    counts = np.zeros((len(sides), len(names)))
    for side, held in zip(sides, counts, strict=True):
        held[pc.index_in(side.names, value_set=names).to_numpy()] = side.holding()
    often = np.flatnonzero(counts.sum(0) > 1)
    kept = names.take(pa.array(often))
    order = pc.sort_indices(kept)
    return kept.take(order).to_pylist(), counts[:, often[order.to_numpy()]]


def _pairs(run: str) -> Sequence[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]
