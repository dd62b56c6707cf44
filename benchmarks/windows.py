"""Reference and window as drift sees them, drawn from scored corpora; and what was once worked out of a text, kept.

The verdict's own code is run unchanged on every draw. Only the functions that turn a text into numbers are replaced
by look-ups of what they said of that text before: a benchmark looks at every text hundreds of times.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from benchmarks.champion import TRAINED_ROWS, Scored
from benchmarks.corpus import LABELS, UNKNOWN, read
from models.contracts import DriftSignal
from models.sections import Drift
from tasks import evidently_report, signals
from tasks.metrics import vocabulary
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
        corpus.texts, scored.probabilities, scored.embeddings,
        corpus.labels if labelled else np.full(rows, UNKNOWN), np.arange(rows),
        {name: corpus.columns[name] for name in ("domain",) if name in corpus.columns},
        {name: corpus.columns[name] for name in ("intent",) if name in corpus.columns},
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
    return vocabulary.vocabulary(corpus.texts[: TRAINED_ROWS[home][0]]) if corpus else frozenset()


@contextmanager
def texts_remembered() -> Iterator[None]:
    describe = _by_text(signals.describe)
    unknown = _by_text(signals.out_of_vocabulary)
    with (
        mock.patch.object(signals, "describe", describe),
        mock.patch.object(evidently_report, "describe", describe),
        mock.patch.object(signals, "out_of_vocabulary", unknown),
    ):
        yield


def _by_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of texts (to an array, or to arrays by name), asked of each text once."""
    known: dict[str, tuple[float, ...]] = {}
    names: list[str] | None = None

    def remembered(texts: Sequence[str], *more: Any) -> Any:
        nonlocal names
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            values = function(new, *more)
            names = list(values) if isinstance(values, dict) else None
            columns = list(values.values()) if isinstance(values, dict) else [values]
            known.update(zip(new, zip(*(c.tolist() for c in columns), strict=True), strict=True))
        table = np.array([known[text] for text in texts], float)
        return {name: table[:, i] for i, name in enumerate(names)} if names else table[:, 0]

    return remembered
