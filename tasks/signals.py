"""Every question that drift asks of a window, and one correction over them all.

Alpha is shared by a weighted Bonferroni correction: the embeddings' two-sample test, which sees most, gets half of
it, the other families that apply share the rest equally, and the tests of a family share its part. So a run's
false-alarm rate is at most alpha, however many signals there are and however they depend on one another.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from models.contracts import DriftSignal
from models.sections import Drift
from tasks.answers import REQUEST_LATENCY
from tasks.drift_questions import Question, cells, distribution, embeddings, shares, slower
from tasks.metrics.vocabulary import out_of_vocabulary
from tasks.sides import Side

if TYPE_CHECKING:
    from numpy.typing import NDArray

CORRECTION = "Bonferroni: half for the embeddings, the rest over the other families, then over a family's tests"
MAX_SLICES, SLICE_ROWS = 20, 300


def find_signals(
    reference: Side, current: Side, *, label_names: tuple[str, ...], vocabulary: frozenset[str], policy: Drift,
    alpha: float, rng: np.random.Generator,
) -> tuple[DriftSignal, ...]:  # fmt: skip
    """Every test with its p-value, its share of alpha and its effect; the most telling first."""
    asked = list(_questions(reference, current, label_names, vocabulary, policy))
    thresholds = share_alpha(Counter(q.family for q in asked), alpha)
    signals = [q.answer(thresholds[q.family], policy.permutations, rng) for q in asked]
    return tuple(sorted(signals, key=_contribution, reverse=True))


def share_alpha(families: Mapping[str, int], alpha: float) -> dict[str, float]:
    """Each family's tests → the threshold of one test; all thresholds together are alpha."""
    weights = {family: 1.0 if family == "embedding" else 1 / max(1, len(families) - 1) for family in families}
    total = sum(weights.values())
    return {family: alpha * weights[family] / total / tests for family, tests in families.items()}


def _contribution(signal: DriftSignal) -> tuple[bool, float]:
    """Drifted signals by how far their effect is above its floor; the others by how near they came to alarm."""
    if signal.drifted:
        return True, (signal.effect - signal.unmoved) / max(1e-9, signal.floor - signal.unmoved)
    return False, -math.log(max(signal.p_value, 1e-300)) + math.log(max(signal.threshold, 1e-300))


def _questions(
    reference: Side, current: Side, label_names: tuple[str, ...], vocabulary: frozenset[str], policy: Drift
) -> Iterator[Question]:
    yield embeddings("embeddings", "embedding", reference, current, policy, policy.max_rows)
    for name, values in reference.answers.items():
        ask = slower if name == REQUEST_LATENCY else distribution
        yield ask(name, "prediction", values, current.answers[name], policy)
    for name, values in reference.descriptors.items():
        yield distribution(name, "text", values, current.descriptors[name], policy)
    if vocabulary:
        unknown_then, unknown_now = (out_of_vocabulary(side.words, vocabulary) for side in (reference, current))
        yield distribution("unknown words", "vocabulary", unknown_then, unknown_now, policy)
    yield from _labels(reference, current, label_names, policy)
    yield from _metadata(reference, current, policy)
    yield from _slices(reference, current, policy)


def _labels(reference: Side, current: Side, names: tuple[str, ...], policy: Drift) -> Iterator[Question]:
    """Of rows whose truth is known: all labels at once, or, where a row may have several, each alone."""
    if len(reference.known) and len(current.known):
        yield shares("label shares", "label", reference.known, current.known, names, policy)
    then, now = reference.known_several, current.known_several
    if then is not None and now is not None:
        for i, name in enumerate(names):
            kinds = (name, "without it")
            yield shares(f"share of {name}", "label", 1 - then[:, i], 1 - now[:, i], kinds, policy)


def _metadata(reference: Side, current: Side, policy: Drift) -> Iterator[Question]:
    """Values of columns; and how many rows have one, where some have none: a source that gives one no more."""
    for name in _on_both(reference.metadata, current.metadata):
        sides = reference.metadata[name], current.metadata[name]
        then, now = map(present, sides)
        if len(then) and not all(_has_value(values).all() for values in sides):
            before, after = (_has_value(values).astype(np.int64) for values in sides)
            yield shares(f"rows without {name}", "metadata", before, after, ("without it", "with it"), policy)
        if len(then) and len(now):
            yield cells(name, "metadata", then, now, policy)


def _slices(reference: Side, current: Side, policy: Drift) -> Iterator[Question]:
    """The model's view of each large enough slice: embeddings, and the last of its answers' numbers."""
    for column in _on_both(reference.slices, current.slices):
        then, now = reference.slices[column], current.slices[column]
        for value, _ in Counter(present(now)).most_common(MAX_SLICES):
            old, new = reference.where(then == value), current.where(now == value)
            if min(len(old), len(new)) >= policy.slice_rows:
                of = f"{column}={value}"
                yield embeddings(f"embeddings, {of}", "slice", old, new, policy, SLICE_ROWS)
                for name in list(reference.answers)[-1:]:
                    yield distribution(f"{name}, {of}", "slice", old.answers[name], new.answers[name], policy)


def _on_both(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """A spec may name a column, or leave one out, after its champion's baseline was kept."""
    return [name for name in then if name in now]


def present(values: "NDArray[np.object_]") -> "NDArray[np.object_]":
    return values[_has_value(values)]


def _has_value(values: "NDArray[np.object_]") -> "NDArray[np.bool_]":
    return np.array([value is not None for value in values], bool)
