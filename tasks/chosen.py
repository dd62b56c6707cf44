"""What a version measured at its release, less the luck of having been released for it."""

import math
from collections.abc import Iterator

from models.contracts import Comparison, Evidence, GateResult, QualityCheck, Verdict
from models.measures import METRICS
from tasks.formats import unit
from tasks.metrics.luck import PASSED, Chosen, less_luck
from tasks.metrics.summed import standard_error

UNSEEN = 0.0005
"""Luck that would be written as 0.0 points."""


def without_luck(check: QualityCheck, evidence: Evidence | None) -> QualityCheck:
    """The check of a version that was released because it measured well. `evidence`: why it was; None of a first champion,
    which was chosen from nothing."""
    chosen = flattered(check.metric, evidence)
    if chosen is None:
        return check
    spread = math.hypot(*(standard_error(check.metric, e) for e in (check.now, check.at_release)))
    test = f"{check.test}; {100 * chosen.luck:.1f} {unit(check.metric)} of luck at the release taken off"
    return check.model_copy(update={"p_value": less_luck(check.p_value, chosen, spread=spread), "test": test})


def flattered(metric: str, evidence: Evidence | None) -> Chosen | None:
    """By the gate, on the same sealed rows, whose passing flattered the metric's number most; None where none did visibly."""
    compared = evidence.scorecard.of("current", metric) if evidence else None
    if evidence is None or compared is None:
        return None
    gates = (g for g in evidence.blessing.gates if g.on == "current" and g.metric == metric)
    passed = (g for g in gates if g.verdict is Verdict.BLESSED)
    found = max(_by_each(passed, compared), key=lambda chosen: chosen.luck, default=None)
    return found if found and found.luck >= UNSEEN else None


def _by_each(gates: Iterator[GateResult], compared: Comparison) -> Iterator[Chosen]:
    for gate in gates:
        found, paired = gate.measured, gate.measured == compared.difference
        less_is_better = not paired and METRICS[gate.metric].better == "less"
        half = found.high - found.value if less_is_better else found.value - found.low
        if half and (moves := _moves(compared, half / PASSED, paired=paired)) > 0:
            yield Chosen(beyond=PASSED * abs(found.value - gate.limit) / half, moves=moves)


def _moves(compared: Comparison, error: float, *, paired: bool) -> float:
    """By how much the candidate's number gets better where what the gate measured does by one standard error (`error`):
    as much, where that is the number itself; of a paired difference, by the covariance that the three variances tell."""
    new, old = (standard_error(compared.metric, e) for e in (compared.candidate, compared.champion))
    return (new**2 + error**2 - old**2) / (2 * error) if paired else new
