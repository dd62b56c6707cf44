"""Reference and window as drift sees them, drawn from scored corpora. The verdict's own code is run on every draw."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.champion import TRAINED_ROWS, Scored
from benchmarks.corpus import LABELS, UNKNOWN, read
from models.contracts import DriftSignal
from models.sections import Drift
from tasks import signals
from tasks.answers import watched_labels
from tasks.metrics.vocabulary import vocabulary
from tasks.metrics.words import split_words
from tasks.sides import Side

REFERENCE_ROWS = 2000
ALPHA = 0.01
POLICY = Drift()
Rows = NDArray[np.int64]
Numbers = NDArray[np.float64]


def side(scored: Scored, *, labelled: bool) -> Side:
    """A scored sample as one side of the comparison; an assistant's domain is a slice, its intent metadata."""
    corpus, rows = scored.corpus, len(scored)
    return Side(
        corpus.texts, watched_labels(scored.probabilities, LABELS), scored.embeddings,
        corpus.labels if labelled else np.full(rows, UNKNOWN), np.arange(rows),
        {name: corpus.columns[name] for name in ("domain",) if name in corpus.columns},
        {name: corpus.columns[name] for name in ("intent",) if name in corpus.columns}, scored.answers,
    )  # fmt: skip


def verdict(
    reference: Side, current: Side, *, seed: int, alpha: float = ALPHA, policy: Drift = POLICY
) -> tuple[DriftSignal, ...]:
    return signals.find_signals(
        reference, current, label_names=LABELS, vocabulary=known_words(), policy=policy, alpha=alpha,
        rng=np.random.default_rng(seed),
    )  # fmt: skip


def found(signals_: Sequence[DriftSignal]) -> bool:
    """The verdict as it is made: p-value and effect."""
    return any(signal.drifted for signal in signals_)


def found_without_floors(signals_: Sequence[DriftSignal]) -> bool:
    """By the p-values alone."""
    return any(signal.p_value <= signal.threshold for signal in signals_)


@cache
def known_words(home: str = "films") -> frozenset[str]:
    corpus = read(home)
    return vocabulary(split_words(corpus.texts[: TRAINED_ROWS[home][0]])) if corpus else frozenset()
