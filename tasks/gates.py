"""The evaluation gates: a pure function of scorecard and spec, which fails closed.

A gate passes where the interval of what it measures supports its limit, is rejected where the interval
contradicts it, and otherwise says that the evidence is too thin. All that are enforced must pass; one that only
warns is judged alike, and leaves the promotion to a person where it fails.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import UnmeasuredMetric
from models.contracts import Blessing, Comparison, Estimate, GateResult, Scorecard, Verdict
from models.gate_kinds import Agrees, AtLeast, AtMost, Better, Gate, LatencyWithin, NoCollapse, NotWorse
from models.measures import METRICS
from tasks.formats import (
    amount,
    amount_is,
    digits,
    isolated,
    percent_beside,
    signed,
    unit,
    value,
    whole_signed,
    whole_value,
)
from tasks.metrics.paired import rows_needed
from tasks.metrics.summed import UNKNOWN
from tasks.variant_gate import judge_agreement


@task(name="judge", cache_policy=NO_CACHE)
def judge(scorecard: Scorecard, *, gates: Sequence[Gate], variants: Sequence[str] = ()) -> Blessing:
    """The verdict over all gates: rejected by one is rejected; an undecided one leaves it undecided. `variants`: those of
    the spec, which a gate on variants must find measured."""
    judged = [gate for gate in gates if gate.mode != "off"]
    if not judged:
        raise UnmeasuredMetric("the list of gates is empty (or all are off), and nothing that was not judged is "
                               "blessed; add a gate, or enforce one")  # fmt: skip
    first = scorecard.comparisons[0].metric if scorecard.comparisons else None
    results = tuple(
        _judge_one(scorecard, _with_metric(gate, first), variants).model_copy(update={"mode": gate.mode})
        for gate in judged
    )
    verdicts = {result.verdict for result in results if result.mode == "enforce"}
    worst = next((v for v in (Verdict.REJECTED, Verdict.INSUFFICIENT) if v in verdicts), Verdict.BLESSED)
    return Blessing(verdict=worst, gates=results, off=tuple(gate.name for gate in gates if gate.mode == "off"))


def _with_metric(gate: Gate, metric: str | None) -> Gate:
    """A gate that names no metric asks for the deciding one, which comes first."""
    named = isinstance(gate, LatencyWithin | Agrees) or gate.metric
    return gate if named else gate.model_copy(update={"metric": metric})


def _judge_one(scorecard: Scorecard, gate: Gate, variants: Sequence[str]) -> GateResult:
    if isinstance(gate, LatencyWithin):
        return _latency(scorecard, gate)
    if isinstance(gate, Agrees):
        return judge_agreement(scorecard.variants, gate, variants=variants)
    if isinstance(gate, NoCollapse):
        return _slices(scorecard, gate)
    compared = scorecard.of(gate.on, gate.metric or "")
    if compared is None:
        measured = sorted({f"{c.metric} on {c.on}" for c in scorecard.comparisons})
        raise UnmeasuredMetric(
            f"gate {gate.name!r} needs {gate.metric} on {gate.on}; measured: {measured}. "
            "There were no labelled sealed rows for it: label more rows."
        )
    if isinstance(gate, AtLeast | AtMost):
        return _bound(compared, gate)
    limit = gate.margin if isinstance(gate, Better) else -gate.tolerance
    return _difference(compared, gate, limit)


def _difference(compared: Comparison, gate: Better | NotWorse, limit: float) -> GateResult:
    """Superiority by a margin, or non-inferiority within a tolerance, by the paired interval."""
    difference, told = compared.difference, partial(_points, metric=compared.metric)
    wanted = f"{whole_signed(limit)} {unit(compared.metric)}"
    beats = difference.low > limit if isinstance(gate, Better) else difference.low >= limit
    if beats:
        verdict, because = Verdict.BLESSED, _cleared(told(difference.low), "above", wanted)
    elif difference.high <= limit:
        verdict, because = Verdict.REJECTED, _cleared(told(difference.high), "below", wanted)
    else:
        needed = _rows_needed(difference, limit, is_share=METRICS[compared.metric].is_share)
        verdict = Verdict.INSUFFICIENT
        because = f"the interval holds {wanted}; {amount_is(difference.n, 'row')} too few to tell{needed}"
    measured = f"{told(difference.value)} [{told(difference.low)}, {told(difference.high)}]"
    what = "candidate minus champion" if METRICS[compared.metric].better == "more" else "better by"
    return GateResult(gate=gate.name, verdict=verdict, metric=compared.metric, on=gate.on, measured=difference,
                      limit=limit, because=f"{what} {measured}: {because}")  # fmt: skip


def _cleared(end: str, side: str, limit: str) -> str:
    """The interval's end that is nearer to the limit may read like it."""
    return f"the whole interval lies {'just ' if end == limit else ''}{side} {limit}"


def _rows_needed(difference: Estimate, limit: float, *, is_share: bool) -> str:
    """Rows on which a true difference of this size would be shown in 80 % of all cases. How often the models differ is
    taken from the interval's width, so that it serves any metric: of one that is no share, whose rows may differ by more
    than a whole, all is counted in its rows' spread."""
    below = round(difference.value - difference.low, 9)
    half = (difference.high - difference.low) / 2 if is_share else below  # what is no share ends at 100 % better
    if difference.value - limit <= 0.001 or below >= UNKNOWN:  # a tenth of a point is nothing to collect rows for
        return ""
    spread = difference.n * (half / 1.96) ** 2 + difference.value**2
    whole = 1.0 if is_share else math.sqrt(max(1.0, spread))
    gain, differ = difference.value / whole, min(1.0, spread / whole**2)
    needed = rows_needed(gain, discordance=max(differ, abs(gain)), limit=limit / whole)
    return f"; about {needed:,} would do if the difference is real"


def _bound(compared: Comparison, gate: AtLeast | AtMost) -> GateResult:
    """The candidate alone, against a number."""
    found, least = compared.candidate, isinstance(gate, AtLeast)
    if found.low >= gate.value if least else found.high <= gate.value:
        verdict, because = Verdict.BLESSED, "the whole interval reaches it"
    elif found.high < gate.value if least else found.low > gate.value:
        verdict, because = Verdict.REJECTED, "no part of the interval reaches it"
    else:
        verdict, because = Verdict.INSUFFICIENT, f"the interval holds it; {amount_is(found.n, 'row')} too few to tell"
    told, wanted = _beside_the_limit(found.value, gate.value, compared.metric)
    side: Literal["at least", "at most"] = "at least" if least else "at most"
    return GateResult(gate=gate.name, verdict=verdict, metric=compared.metric, on=gate.on, measured=found,
                      limit=gate.value, side=side, because=f"{told} against {side} {wanted}: {because}")  # fmt: skip


def _beside_the_limit(found: float, wanted: float, metric: str) -> tuple[str, str]:
    told = percent_beside(found, wanted) if METRICS[metric].is_share else value(metric, found)
    return told, whole_value(metric, wanted)


def _slices(scorecard: Scorecard, gate: NoCollapse) -> GateResult:
    """The worst slice decides: a collapse is a loss beyond the tolerance whose interval excludes no loss."""
    slices = [c for c in scorecard.comparisons if c.is_slice and c.metric == gate.metric]
    judged = [c for c in slices if c.difference.n >= gate.min_rows]
    if not slices:
        raise UnmeasuredMetric(f"gate {gate.name!r} needs {gate.metric} per slice, and no slice was measured")
    worst = min(judged or slices, key=lambda c: c.difference.value)
    collapsed = [c for c in judged if c.difference.value < -gate.tolerance and c.difference.high < 0]
    name = f"{isolated(worst.on)} {_points(worst.difference.value, worst.metric)} ({amount(worst.difference.n, 'row')})"
    if collapsed:
        verdict = Verdict.REJECTED
        because = f"collapsed: {', '.join(isolated(c.on) for c in collapsed)}; worst is {name}"
    elif not judged:
        verdict, because = Verdict.INSUFFICIENT, f"no slice has {amount(gate.min_rows, 'row')}; worst is {name}"
    else:
        enough = "" if len(judged) == len(slices) else f" of at least {amount(gate.min_rows, 'row')}"
        none = f"none of {len(judged)} slices{enough} collapsed; worst is {name}"
        because = none if len(judged) > 1 else f"the only slice{enough} did not collapse: {name}"
        verdict = Verdict.BLESSED
    return GateResult(gate=gate.name, verdict=verdict, metric=worst.metric, on=worst.on,
                      measured=worst.difference, limit=-gate.tolerance, because=because)  # fmt: skip


def _latency(scorecard: Scorecard, gate: LatencyWithin) -> GateResult:
    latency = scorecard.latency
    verdict = Verdict.BLESSED if latency.factor <= gate.factor else Verdict.REJECTED
    measured = Estimate(value=latency.factor, low=latency.factor, high=latency.factor,
                        n=latency.candidate.n, method="ratio of medians, models in turn")  # fmt: skip
    told = f"{latency.factor:.2f}"
    if verdict is Verdict.REJECTED and float(told) <= gate.factor:
        told = f"just above {gate.factor:g}"
    because = (f"median {digits(latency.candidate.p50)} ms against {digits(latency.champion.p50)} ms: "
               f"factor {told}, at most {gate.factor:g}")  # fmt: skip
    return GateResult(gate=gate.name, verdict=verdict, metric="latency", on="one text", measured=measured,
                      limit=gate.factor, because=because)  # fmt: skip


def _points(gain: float, metric: str) -> str:
    return f"{signed(gain)} {unit(metric)}"
