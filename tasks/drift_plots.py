"""Drift signals, drawn: how much moved against its floor, and how improbable that is against its threshold."""

import math
from collections.abc import Iterable

from markupsafe import Markup

from models.contracts import DriftSignal
from tasks.formats import p_value, threshold
from tasks.svg import Axis, bar, drawing, scale, upright

HEIGHT, TOP, THICK = 20, 6, 8
SMALLEST_P = 1e-16


def rank_signals(signals: Iterable[DriftSignal]) -> list[DriftSignal]:
    """By contribution to the verdict: those that drifted first, and then by the effect in multiples of its floor."""
    return sorted(signals, key=lambda s: (not s.drifted, -size_of(s, s.effect) / max(0.01, size_of(s, s.floor))))


def size_of(signal: DriftSignal, effect: float) -> float:
    """An effect between 0 (nothing moved) and 1 (nothing is as it was), so that all share an axis."""
    return min(1.0, max(0.0, (effect - signal.unmoved) / (1 - signal.unmoved)))


def draw_effect(signal: DriftSignal) -> Markup:
    """The effect as a bar from none to complete, and its floor."""
    axis, kind = Axis(0, 1), "bar moved" if signal.drifted else "bar"
    told = f"floor {signal.floor:g}"
    marks = [bar((0, 100), TOP, THICK, "track"), bar((0, axis.at(size_of(signal, signal.effect))), TOP, THICK, kind),
             upright(axis.at(size_of(signal, signal.floor)), HEIGHT, "limit", told=told)]  # fmt: skip
    return drawing(f"{signal.name}: {signal.effect_name} {signal.effect:.3f}, {told}", *marks, height=HEIGHT)


def scale_effects() -> Markup:
    return scale(Axis(0, 1), "from no effect to a complete one", written={0.0: "none", 0.5: "half", 1.0: "complete"})


def surprise_axis(signals: Iterable[DriftSignal]) -> Axis:
    """Of -log10 of p-values: wide enough for every threshold and p-value, down to the smallest that is told apart."""
    most = max([4.0, *(_surprise(p) + 0.5 for s in signals for p in (s.p_value, s.threshold))])
    return Axis(0, min(most, _surprise(SMALLEST_P)))


def _surprise(p: float) -> float:
    return -math.log10(min(1.0, max(SMALLEST_P, p)))


def draw_p_value(signal: DriftSignal, axis: Axis) -> Markup:
    """How improbable the window is where nothing changed: a bar that is long where p is small, and the threshold."""
    kind = "bar moved" if signal.drifted else "bar"
    told = f"threshold {threshold(signal.threshold)}"
    marks = [bar((0, 100), TOP, THICK, "track"), bar((0, axis.at(_surprise(signal.p_value))), TOP, THICK, kind),
             upright(axis.at(_surprise(signal.threshold)), HEIGHT, "limit", told=told)]  # fmt: skip
    return drawing(f"{signal.name}: p {p_value(signal.p_value)}, {told}", *marks, height=HEIGHT)


def scale_p_values(axis: Axis) -> Markup:
    step = next(s for s in (1, 2, 4, 8) if axis.high <= 3.9 * s)
    powers = [p for p in range(0, math.floor(axis.high) + 1, step)]
    written = {float(power): "1" if power == 0 else f"1e-{power}" for power in powers}
    return scale(axis, f"p from 1 down to 1e-{axis.high:.0f}", written=written)
