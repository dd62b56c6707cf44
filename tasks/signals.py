"""Every question that drift asks of a window, and one correction over them all.

Alpha is shared by a weighted Bonferroni correction: the embeddings' two-sample test, which sees most, gets half of
it, the other families that apply share the rest equally, and the tests of a family share its part. So a run's
false-alarm rate is at most alpha, however many signals there are and however they depend on one another.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.contracts import DriftSignal
from models.sections import Drift
from tasks.answers import REQUEST_LATENCY
from tasks.metrics.two_sample import Tested, categories, ks, ks_larger, mmd
from tasks.metrics.vocabulary import out_of_vocabulary
from tasks.sides import Side

if TYPE_CHECKING:
    from numpy.typing import NDArray

CORRECTION = "Bonferroni: half for the embeddings, the rest over the other families, then over a family's tests"
MAX_SLICES, SLICE_ROWS = 20, 300
MAX_CATEGORIES = 50
MAX_PERMUTATIONS = 200_000


@dataclass(frozen=True)
class Question:
    """A test that has not been run yet: how many permutations it needs depends on its share of alpha."""

    name: str
    family: str
    method: str
    effect_name: str
    floor: float
    detail: str
    ask: Callable[[int, np.random.Generator], Tested]
    doubt: float = 0.0

    def answer(self, threshold: float, permutations: int, rng: np.random.Generator) -> DriftSignal:
        needed = min(MAX_PERMUTATIONS, max(permutations, math.ceil(2 / threshold))) if threshold else permutations
        tested = self.ask(needed, rng)
        return DriftSignal.model_validate({
            "name": self.name, "family": self.family, "method": self.method.format(permutations=needed),
            "statistic": tested.statistic, "p_value": tested.p_value, "threshold": threshold, "effect": tested.effect,
            "effect_name": self.effect_name, "floor": self.floor, "detail": self.detail, "doubt": self.doubt,
        })  # fmt: skip


def find_signals(
    reference: Side, current: Side, *, label_names: tuple[str, ...], vocabulary: frozenset[str], policy: Drift,
    alpha: float, rng: np.random.Generator,
) -> tuple[DriftSignal, ...]:  # fmt: skip
    """Every test with its p-value, its share of alpha and its effect; the most telling first."""
    asked = list(_questions(reference, current, label_names, vocabulary, policy))
    shares = share_alpha(Counter(q.family for q in asked), alpha)
    signals = [q.answer(shares[q.family], policy.permutations, rng) for q in asked]
    return tuple(sorted(signals, key=_contribution, reverse=True))


def share_alpha(families: Mapping[str, int], alpha: float) -> dict[str, float]:
    """Each family's tests → the threshold of one test; all thresholds together are alpha."""
    weights = {family: 1.0 if family == "embedding" else 1 / max(1, len(families) - 1) for family in families}
    total = sum(weights.values())
    return {family: alpha * weights[family] / total / tests for family, tests in families.items()}


def _contribution(signal: DriftSignal) -> tuple[bool, float]:
    """Drifted signals by how far their effect is above its floor; the others by how near they came to alarm."""
    neutral = 0.5 if signal.effect_name == "AUC" else 0.0
    if signal.drifted:
        return True, (signal.effect - neutral) / max(1e-9, signal.floor - neutral)
    return False, -math.log(max(signal.p_value, 1e-300)) + math.log(max(signal.threshold, 1e-300))


def _questions(
    reference: Side, current: Side, label_names: tuple[str, ...], vocabulary: frozenset[str], policy: Drift
) -> Iterator[Question]:
    yield _embeddings("embeddings", "embedding", reference, current, policy, policy.max_rows)
    for name, values in reference.answers.items():
        ask = _slower if name == REQUEST_LATENCY else _distribution
        yield ask(name, "prediction", values, current.answers[name], policy)
    for name, values in reference.descriptors.items():
        yield _distribution(name, "text", values, current.descriptors[name], policy)
    if vocabulary:
        unknown_then, unknown_now = (out_of_vocabulary(side.words, vocabulary) for side in (reference, current))
        yield _distribution("unknown words", "vocabulary", unknown_then, unknown_now, policy)
    yield from _labels(reference, current, label_names, policy)
    yield from _metadata(reference, current, policy)
    yield from _slices(reference, current, policy)


def _embeddings(name: str, family: str, reference: Side, current: Side, policy: Drift, rows: int) -> Question:
    def ask(permutations: int, rng: np.random.Generator) -> Tested:
        then, now = (_some(side.embeddings, rows, rng).astype(np.float32, copy=False) for side in (reference, current))
        return mmd(then, now, permutations=permutations, rng=rng)

    detail = "AUC: how often a new row looks newer than a reference row (0.5: no difference)"
    sizes = [min(rows, len(side)) for side in (reference, current)]
    doubt = 1.96 * math.sqrt(sum(1 / size for size in sizes) / 12)  # of an AUC where nothing changed (Mann-Whitney)
    method = "MMD on whitened axes, at most {permutations} permutations"
    return Question(name, family, method, "AUC", policy.min_auc, detail, ask, doubt)


def _labels(reference: Side, current: Side, names: tuple[str, ...], policy: Drift) -> Iterator[Question]:
    """Of rows whose truth is known: all labels at once, or, where a row may have several, each alone."""
    if len(reference.known) and len(current.known):
        yield _shares("label shares", "label", reference.known, current.known, names, policy)
    then, now = reference.known_several, current.known_several
    if then is not None and now is not None:
        for i, name in enumerate(names):
            kinds = (name, "without it")
            yield _shares(f"share of {name}", "label", 1 - then[:, i], 1 - now[:, i], kinds, policy)


def _metadata(reference: Side, current: Side, policy: Drift) -> Iterator[Question]:
    """Columns of numbers by Kolmogorov-Smirnov, all others as categories; and how many rows have a value, where some have
    none: a source that gives one no more."""
    for name in _on_both(reference.metadata, current.metadata):
        sides = reference.metadata[name], current.metadata[name]
        then, now = map(present, sides)
        if len(then) and not all(_has_value(values).all() for values in sides):
            before, after = (_has_value(values).astype(np.int64) for values in sides)
            yield _shares(f"rows without {name}", "metadata", before, after, ("without it", "with it"), policy)
        if len(then) and len(now):
            numbers = [_as_numbers(values) for values in (then, now)]
            if numbers[0] is not None and numbers[1] is not None:
                yield _distribution(name, "metadata", numbers[0], numbers[1], policy)
            else:
                names = _frequent(then, now)
                yield _shares(name, "metadata", _codes(then, names), _codes(now, names), (*names, "other"), policy)


def _slices(reference: Side, current: Side, policy: Drift) -> Iterator[Question]:
    """The model's view of each large enough slice: embeddings, and the last of its answers' numbers."""
    for column in _on_both(reference.slices, current.slices):
        then, now = reference.slices[column], current.slices[column]
        for value, _ in Counter(present(now)).most_common(MAX_SLICES):
            old, new = reference.where(then == value), current.where(now == value)
            if min(len(old), len(new)) >= policy.slice_rows:
                of = f"{column}={value}"
                yield _embeddings(f"embeddings, {of}", "slice", old, new, policy, SLICE_ROWS)
                for name in list(reference.answers)[-1:]:
                    yield _distribution(f"{name}, {of}", "slice", old.answers[name], new.answers[name], policy)


def _on_both(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """A spec may name a column, or leave one out, after its champion's baseline was kept."""
    return [name for name in then if name in now]


def _distribution(
    name: str, family: str, then: "NDArray[np.floating]", now: "NDArray[np.floating]", policy: Drift
) -> Question:
    detail = f"median {np.median(then):.3g} → {np.median(now):.3g}, mean {then.mean():.3g} → {now.mean():.3g}"
    return Question(
        name, family, "Kolmogorov-Smirnov", "largest gap", policy.min_ks, detail, lambda _b, _rng: ks(then, now)
    )


def _slower(
    name: str, family: str, then: "NDArray[np.floating]", now: "NDArray[np.floating]", policy: Drift
) -> Question:
    """Not whether it changed, which it does by the hour, but whether it is more than so many times what it was."""
    factor = policy.latency_factor
    detail = f"median {np.median(then):.3g} → {np.median(now):.3g} ms, held against {factor:g} times the former"
    method = "Kolmogorov-Smirnov, one-sided"
    return Question(
        name, family, method, "largest gap", policy.min_ks, detail, lambda _b, _rng: ks_larger(factor * then, now)
    )


def _shares(
    name: str, family: str, then: "NDArray[np.int64]", now: "NDArray[np.int64]", names: tuple[str, ...], policy: Drift
) -> Question:
    moved = sorted(range(len(names)), key=lambda i: -round(abs((then == i).mean() - (now == i).mean()), 9))
    detail = ", ".join(f"{names[i]} {(then == i).mean():.1%} → {(now == i).mean():.1%}" for i in moved[:5])

    def ask(permutations: int, rng: np.random.Generator) -> Tested:
        return categories(then, now, kinds=len(names), permutations=permutations, rng=rng)

    method = "chi-squared, at most {permutations} permutations"
    return Question(name, family, method, "total variation", policy.min_ks, detail, ask)


def _some(values: "NDArray[np.floating]", most: int, rng: np.random.Generator) -> "NDArray[np.floating]":
    return values if len(values) <= most else values[rng.choice(len(values), most, replace=False)]


def present(values: "NDArray[np.object_]") -> "NDArray[np.object_]":
    return values[_has_value(values)]


def _has_value(values: "NDArray[np.object_]") -> "NDArray[np.bool_]":
    """Blanks are none: a reference may hold them that was kept before they became nulls."""
    return np.array([value is not None and str(value).strip() != "" for value in values], bool)


def _as_numbers(values: "NDArray[np.object_]") -> "NDArray[np.float64] | None":
    try:
        numbers = values.astype(float)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _frequent(then: "NDArray[np.object_]", now: "NDArray[np.object_]") -> tuple[str, ...]:
    """The most frequent values of both sides together; a choice that does not know the sides biases no test."""
    return tuple(str(value) for value, _ in Counter([*then, *now]).most_common(MAX_CATEGORIES))


def _codes(values: "NDArray[np.object_]", names: tuple[str, ...]) -> "NDArray[np.int64]":
    """Numbers of the values; all that are not named are one more category."""
    index = {value: i for i, value in enumerate(names)}
    return np.array([index.get(str(value), len(names)) for value in values], np.int64)
