"""The tests that drift can ask of two sides: whether embeddings, numbers or shares moved."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.contracts import DriftSignal
from models.sections import Drift
from tasks.formats import digits, isolated
from tasks.metrics.two_sample import Tested, categories, ks, ks_larger, mmd
from tasks.sides import Side

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        needed = permutations_for(threshold, at_least=permutations)
        tested = self.ask(needed, rng)
        return DriftSignal.model_validate({
            "name": self.name, "family": self.family, "method": self.method.format(permutations=needed),
            "statistic": tested.statistic, "p_value": tested.p_value, "threshold": threshold, "effect": tested.effect,
            "effect_name": self.effect_name, "floor": self.floor, "detail": self.detail, "doubt": self.doubt,
        })  # fmt: skip


def permutations_for(threshold: float, *, at_least: int) -> int:
    """So many that a p-value can be as small as the threshold."""
    return min(MAX_PERMUTATIONS, max(at_least, math.ceil(2 / threshold))) if threshold else at_least


def embeddings(name: str, family: str, reference: Side, current: Side, policy: Drift, rows: int) -> Question:
    """Of at most so many `rows` of each side: maximum mean discrepancy (Gretton et al., 2012)."""

    def ask(permutations: int, rng: np.random.Generator) -> Tested:
        then, now = (_some(side.embeddings, rows, rng).astype(np.float32, copy=False) for side in (reference, current))
        return mmd(then, now, permutations=permutations, rng=rng)

    detail = "AUC: how often a new row looks newer than a reference row (0.5: no difference)"
    sizes = [min(rows, len(side)) for side in (reference, current)]
    doubt = 1.96 * math.sqrt(sum(1 / size for size in sizes) / 12)  # of an AUC where nothing changed (Mann-Whitney)
    method = "MMD on whitened axes, at most {permutations} permutations"
    return Question(name, family, method, "AUC", policy.min_auc, detail, ask, doubt)


def distribution(
    name: str, family: str, then: "NDArray[np.floating]", now: "NDArray[np.floating]", policy: Drift
) -> Question:
    """Of numbers, one a row."""
    detail = (f"median {digits(np.median(then))} → {digits(np.median(now))}, "
              f"mean {digits(then.mean())} → {digits(now.mean())}")  # fmt: skip
    return Question(
        name, family, "Kolmogorov-Smirnov", "largest gap", policy.min_ks, detail, lambda _b, _rng: ks(then, now)
    )


def slower(
    name: str, family: str, then: "NDArray[np.floating]", now: "NDArray[np.floating]", policy: Drift
) -> Question:
    """Not whether it changed, which it does by the hour, but whether it is more than so many times what it was."""
    factor = policy.latency_factor
    detail = f"median {digits(np.median(then))} → {digits(np.median(now))} ms, held against {factor:g} times the former"
    method = "Kolmogorov-Smirnov, one-sided"
    return Question(
        name, family, method, "largest gap", policy.min_ks, detail, lambda _b, _rng: ks_larger(factor * then, now)
    )


def shares(
    name: str, family: str, then: "NDArray[np.int64]", now: "NDArray[np.int64]", names: tuple[str, ...], policy: Drift
) -> Question:
    """Of kinds, one a row: `then` and `now` count through `names`."""
    moved = sorted(range(len(names)), key=lambda i: -round(abs((then == i).mean() - (now == i).mean()), 9))
    detail = ", ".join(f"{isolated(names[i])} {(then == i).mean():.1%} → {(now == i).mean():.1%}" for i in moved[:5])

    def ask(permutations: int, rng: np.random.Generator) -> Tested:
        return categories(then, now, kinds=len(names), permutations=permutations, rng=rng)

    method = "chi-squared, at most {permutations} permutations"
    return Question(name, family, method, "total variation", policy.min_ks, detail, ask)


def cells(name: str, family: str, then: "NDArray[np.object_]", now: "NDArray[np.object_]", policy: Drift) -> Question:
    """Of numbers by Kolmogorov-Smirnov, of anything else as categories; every row has a value."""
    numbers = [_as_numbers(values) for values in (then, now)]
    if numbers[0] is not None and numbers[1] is not None:
        return distribution(name, family, numbers[0], numbers[1], policy)
    names = _frequent(then, now)
    return shares(name, family, _codes(then, names), _codes(now, names), (*names, "other"), policy)


def _some(values: "NDArray[np.floating]", most: int, rng: np.random.Generator) -> "NDArray[np.floating]":
    return values if len(values) <= most else values[rng.choice(len(values), most, replace=False)]


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
