"""What was compared, drawn: values and differences with their intervals, and the limits that gates set."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from models.contracts import Comparison, Estimate, GateResult, Share
from models.measures import METRICS
from tasks.formats import measured, percent, points, signed, whole_percent, whole_signed
from tasks.svg import Axis, Element, beyond, dot, drawing, line, scale, upright

ROW, UPPER, LOWER, MIDDLE = 26, 8, 18, 13


def values_axis(estimates: Iterable[Estimate], limits: Iterable[float] = ()) -> Axis | None:
    """Wide enough for every interval and limit, in steps of five points; within 0 and 1 where all of them are. None where
    there is nothing to draw."""
    ends = [end for e in estimates for end in (e.low, e.high, e.value)] + list(limits)
    if not ends:
        return None
    low, high = math.floor(min(ends) * 20 - 0.2) / 20, math.ceil(max(ends) * 20 + 0.2) / 20
    return Axis(max(0.0, low) if min(ends) >= 0 else low, min(1.0, high) if max(ends) <= 1 else high)


def differences_axis(comparisons: Sequence[Comparison], limits: Iterable[float] = ()) -> Axis:
    """Around zero: holds every difference and limit, and the whole intervals of all rows; those of small slices may
    go on beyond it, since a slice of two rows would leave no room for the rest."""
    sliced, whole = (
        [end for c in comparisons if c.is_slice is sliced for end in (c.difference.low, c.difference.high)]
        for sliced in (True, False)
    )
    least = max(map(abs, [0.02, *whole, *limits, *(c.difference.value for c in comparisons)]))
    reach = max(least, min(2 * least, max(map(abs, sliced), default=0.0)))
    return Axis(-1.1 * reach, 1.1 * reach)


@dataclass(frozen=True)
class Bound:
    """A number that the candidate is held against; `side` says whether at least or at most."""

    at: float
    side: str


@dataclass(frozen=True)
class Limits:
    """The gates' limits that hold for one comparison, each with the gate's name."""

    difference: dict[str, float]
    value: dict[str, Bound]
    """Of the candidate alone."""

    @classmethod
    def on(cls, compared: Comparison, gates: Sequence[GateResult]) -> "Limits":
        """A gate on slices shows its worst one, and its limit holds for all."""
        meant = [g for g in gates if g.metric == compared.metric]
        differences = {
            g.gate: g.limit for g in meant
            if (g.on == compared.on and g.measured == compared.difference)
            or (g.on.startswith("slice:") and compared.is_slice)
        }  # fmt: skip
        usual = "at most" if METRICS[compared.metric].better == "less" else "at least"
        values = {
            g.gate: Bound(g.limit, g.side or usual)
            for g in meant if g.on == compared.on and g.measured == compared.candidate
        }  # fmt: skip
        return cls(differences, values)


def draw_values(first: Estimate, second: Estimate, axis: Axis, *, names: tuple[str, str],
                limits: dict[str, Bound] | None = None) -> Markup:  # fmt: skip
    """Two values, one above the other, each with its interval."""
    told = {gate: f"{bound.side} {whole_percent(bound.at)}" for gate, bound in (limits or {}).items()}
    marks = [upright(axis.at(bound.at), ROW, "limit", told=f"{gate}: {told[gate]}")
             for gate, bound in (limits or {}).items()]  # fmt: skip
    marks += [line((axis.at(first.value), axis.at(second.value)), (UPPER, LOWER), "link")]
    marks += _interval(first, axis, UPPER, "before") + _interval(second, axis, LOWER, "after")
    label = f"{names[0]} {measured(first)}, {names[1]} {measured(second)}"
    label += "".join(f"; gate {gate}: {words}" for gate, words in told.items())
    return drawing(label, *marks, height=ROW)


def draw_value(estimate: Estimate, axis: Axis) -> Markup:
    """One value with its interval."""
    return drawing(measured(estimate), *_interval(estimate, axis, MIDDLE, "after"), height=ROW)


def shares_axis(shares: Iterable[Share]) -> Axis:
    """From nothing to the largest share."""
    return Axis(0, max([0.05, *(v for s in shares for v in (s.predicted, s.predicted_at_release))]))


def draw_shares(share: Share, axis: Axis) -> Markup:
    """A label's share of the answers at release and now."""
    then, now = axis.at(share.predicted_at_release), axis.at(share.predicted)
    told = f"{share.label}: at release {percent(share.predicted_at_release)}, now {percent(share.predicted)}"
    marks = [line((0, 100), (MIDDLE, MIDDLE), "grid"), line((then, now), (MIDDLE, MIDDLE), "interval before")]
    return drawing(told, *marks, dot(then, MIDDLE, "dot before"), dot(now, MIDDLE, "dot after"), height=ROW)


def draw_difference(
    difference: Estimate, axis: Axis, *, limits: dict[str, float] | None = None, unit: str = "points"
) -> Markup:
    """A difference with its interval, the line of no difference, and the gates' limits."""
    kind = "better" if difference.low > 0 else "worse" if difference.high < 0 else "open"
    marks = [upright(axis.at(0), ROW, "zero", told="no difference")]
    told = {gate: f"gate {gate}: limit {whole_signed(v)} {unit}" for gate, v in (limits or {}).items()}
    marks += [upright(axis.at(v), ROW, "limit", told=told[gate]) for gate, v in (limits or {}).items()]
    marks += _interval(difference, axis, MIDDLE, kind)
    return drawing("; ".join([f"difference {points(difference)} {unit}", *told.values()]), *marks, height=ROW)


def _interval(estimate: Estimate, axis: Axis, y: float, kind: str) -> list[Element]:
    marks = [line((axis.at(estimate.low), axis.at(estimate.high)), (y, y), f"interval {kind}")]
    marks += [beyond(axis.at(end), y, kind) for end in (estimate.low, estimate.high) if not axis.holds(end)]
    return [*marks, dot(axis.at(estimate.value), y, f"dot {kind}")]


def scale_values(axis: Axis) -> Markup:
    written = {tick: f"{tick:.0%}" for tick in axis.ticks(5)}
    return scale(axis, f"scale from {percent(axis.low)} to {percent(axis.high)}", written=written)


def scale_differences(axis: Axis, *, unit: str = "points") -> Markup:
    digits = 0 if axis.high >= 0.03 else 1
    written = {tick: f"{100 * tick:+.{digits}f}" if tick else "0" for tick in axis.ticks(5)}
    return scale(axis, f"scale from {signed(axis.low)} to {signed(axis.high)} {unit}", written=written)
