"""The gate on variants: a pure function of what was measured of them, which fails closed."""

import math
from collections.abc import Sequence

from errors import ModelError, UnmeasuredMetric
from models.contracts import GateResult, VariantCheck, Verdict
from models.gate_kinds import Agrees, Gate
from tasks.formats import amount, amount_is, percent, percent_beside, whole_percent

WORST_FIRST = (Verdict.REJECTED, Verdict.INSUFFICIENT, Verdict.BLESSED)
Z = 1.96


def judge_agreement(checks: Sequence[VariantCheck], gate: Agrees, *, variants: Sequence[str]) -> GateResult:
    """The worst of the variants decides. `variants`: those of the spec. Raises UnmeasuredMetric where one was not
    measured, or none is to be judged."""
    measured = {check.variant: check for check in checks}
    wanted = [gate.variant] if gate.variant else list(variants)
    missing = [name for name in wanted if name not in measured]
    if missing or not wanted:
        raise UnmeasuredMetric(f"gate {gate.name!r} needs the agreement of {', '.join(missing) or 'a variant'} with the full "
                               f"weights; measured: {sorted(measured)}. Name it in `variants`, or drop the gate.")  # fmt: skip
    found = [_judge_one(measured[name], gate) for name in wanted]
    return min(found, key=lambda result: (WORST_FIRST.index(result.verdict), result.measured.low))


def require_agreement(
    checks: Sequence[VariantCheck], *, gates: Sequence[Gate], variants: Sequence[str], force: bool
) -> None:
    """A first champion's variants must pass the gates that are enforced on them: it has no champion to be held against,
    but they have their full weights."""
    enforced = [gate for gate in gates if isinstance(gate, Agrees) and gate.mode == "enforce"]
    judged = [judge_agreement(checks, gate, variants=variants) for gate in enforced]
    failed = next((result for result in judged if result.verdict is not Verdict.BLESSED), None)
    if failed and not force:
        raise ModelError(f"gate {failed.gate}: {failed.because}; nothing was released. Drop it from `variants`, lower the "
                         "gate's `share`, give more rows, or release it all the same with --force.")  # fmt: skip


def _judge_one(check: VariantCheck, gate: Agrees) -> GateResult:
    found, least = check.agreement, whole_percent(gate.share)
    if found.low >= gate.share:
        verdict, because = Verdict.BLESSED, f"the whole interval reaches {least}"
    elif found.high < gate.share:
        verdict, because = Verdict.REJECTED, f"no part of the interval reaches {least}"
    else:
        verdict = Verdict.INSUFFICIENT
        because = f"the interval holds {least}; {amount_is(found.n, 'row')} too few to tell{_rows_needed(check, gate)}"
    low, high = (percent_beside(end, gate.share) for end in (found.low, found.high))
    told = f"{check.variant} answers {percent(found.value)} [{low}, {high}] of {amount(found.n, 'row')} as the full weights do: {because}"
    return GateResult(gate=gate.name, verdict=verdict, metric="agreement", on=f"variant:{check.variant}", measured=found,
                      limit=gate.share, because=told)  # fmt: skip


def _rows_needed(check: VariantCheck, gate: Agrees) -> str:
    """Rows on which the same share would reach the limit: Wilson's bound is the score test's."""
    beyond = check.agreement.value - gate.share
    if beyond <= 0:
        return ""
    return f"; {math.ceil(Z**2 * gate.share * (1 - gate.share) / beyond**2):,} would do at the same share"
