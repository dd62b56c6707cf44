"""A run's result in the few lines that a person reads in a terminal."""

from pathlib import Path

from models.contracts import (
    ApprovalRequest,
    Attempt,
    BootstrapReport,
    Cost,
    DriftReport,
    Ended,
    Evidence,
    Handled,
    LabelRequest,
    MonitoringReport,
    Observation,
    Outcome,
    QualityCheck,
    RunReport,
    ValidationReport,
    VariantCheck,
)
from models.measures import METRICS
from tasks.formats import amount, count, duration, loss, p_in_words, points, typed, unit
from tasks.formats import measured as _est
from tasks.judgements import tell_judgement

MARKS = {"blessed": "✓", "rejected": "✗", "insufficient_evidence": "?"}


def tell(ended: Ended, spec: Path | str = "SPEC") -> list[str]:
    """Lines: what was seen, what was decided and why, what came of it, where to read on. `spec`: as commands are to name it."""
    report, spec = ended.report, typed(spec)
    if isinstance(report, Handled):
        return [f"=> done already by run {report.run_id}: {report.headline}"]
    lines = _bootstrap(report) if isinstance(report, BootstrapReport) else _run(report, spec)
    lines.append(f"=> {report.headline}")
    if ended.pages:
        lines.append(f"   report: {ended.pages.local_html}")
    return lines


def _bootstrap(report: BootstrapReport) -> list[str]:
    checked, trained, cost = report.validation, report.training_set, report.candidate.cost
    measured = ", ".join(f"{m.metric} {_est(m.estimate, m.metric)}" for m in report.measured)
    return [
        _rows(checked),
        f"   training  {_steps(amount(trained.train.rows, 'row'), cost)}",
        f"   measured  {measured} ({amount(trained.test.rows, 'sealed row')})",
        *_variants(report.variants),
    ]


def _run(report: RunReport, spec: str) -> list[str]:
    lines = _seen(report.observation) if report.observation else []
    if report.decision:
        lines.append(f"   decision  {report.decision.action.upper()}: {'; '.join(report.decision.reasons)}")
    lines += _labels(report.label_request, spec) if report.label_request else []
    lines += _attempt(report.attempt) if report.attempt else []
    if report.outcome is Outcome.PUBLISHED and not report.asked:
        lines.append(f"   waits     upkeep promote {spec} makes it champion")
    return lines + (_asked(report.asked.request, spec) if report.asked else [])


def _asked(request: ApprovalRequest, spec: str) -> list[str]:
    rated = f"upkeep rate {spec}, since a yes needs {amount(request.ratings, 'sample')} rated; "
    rated, force = ("", " --force") if request.lack else (rated if request.ratings else "", "")
    return [f"   approval  {amount(request.samples.rows, 'row')} with both answers: upkeep waiting {spec}; {rated}then upkeep approve {spec} "
            f"--reason …{force} or upkeep reject {spec} --reason …"]  # fmt: skip


def _labels(request: LabelRequest, spec: str) -> list[str]:
    return [
        f"   labels    {amount(request.rows, 'row')} to label: {request.local_csv}",
        f"             its {amount(request.random_rows, 'random row')} find{'s' if request.random_rows == 1 else ''} {loss(request.metric, request.drop)} with "
        f"probability {request.power:.0%}; fill `label`, then: upkeep label {spec} FILE",
    ]  # fmt: skip


def _estimates(monitoring: MonitoringReport) -> list[str]:
    if not monitoring.estimates:
        return []
    told = ", ".join(f"{e.method} {_est(e.estimate)}" for e in monitoring.estimates)
    truth = monitoring.estimates[0].truth
    of = "" if monitoring.estimates[0].metric == "accuracy" else "of exact match "
    against = f"; by labels it is {_est(truth)}" if truth else ""
    return [f"   estimates {of}{told}{against} (extra alarms, not evidence of safety)"]


def _rows(checked: ValidationReport) -> str:
    return (f"   rows      {count(checked.read)} read = {count(checked.kept.rows)} kept + "
            f"{count(checked.quarantined.rows)} quarantined")  # fmt: skip


def _seen(seen: Observation) -> list[str]:
    checked, drift = seen.validation, seen.drift
    lines = [_rows(checked)]
    lines += [f"   quality   {_check(check)}" for check in seen.monitoring.quality]
    if seen.monitoring.faithfulness:
        lines.append(f"   summaries {_check(seen.monitoring.faithfulness)} (an extra alarm; no reference is needed)")
    lines += _estimates(seen.monitoring)
    return [*lines, f"   drift     {_drift(drift)}"]


def _drift(drift: DriftReport) -> str:
    if not drift.alpha:
        return "not judged, so soon after the last run"
    strongest = min(drift.signals, key=lambda s: s.p_value / s.threshold if s.threshold else s.p_value)
    verdict = "DRIFT" if drift.drifted else "no drift"
    return (f"{verdict}: {sum(s.drifted for s in drift.signals)} of {len(drift.signals)} signals; "
            f"strongest {strongest.name}, p {p_in_words(strongest.p_value)} (threshold {p_in_words(strongest.threshold)}), "
            f"{strongest.effect_name} {strongest.effect:.2f}")  # fmt: skip


def _check(check: QualityCheck) -> str:
    return (f"{check.metric} {_est(check.now, check.metric)}, at release {_est(check.at_release, check.metric)}; "
            f"test that it became worse: p = {p_in_words(check.p_value)}")  # fmt: skip


def _attempt(attempt: Attempt) -> list[str]:
    trained, cost = attempt.training_set, attempt.candidate.cost
    replayed = amount(trained.replayed_rows, "replayed row")
    rows = f"{count(trained.new_rows)} new + {replayed}, {count(trained.leaks.near)} leaking removed"
    return [f"   training  {_steps(rows, cost)}", *tell_evidence(attempt.evidence)]


def _steps(rows: str, cost: Cost) -> str:
    """Where an API trained, its job stands for the steps; where nobody did, the rows say nothing."""
    if not cost.trained:
        return cost.stopped
    how = amount(cost.steps, "step") if cost.steps else cost.stopped
    return f"{rows}, {how}, {duration(cost.seconds)} on {cost.device}"


def tell_evidence(evidence: Evidence) -> list[str]:
    """Champion and candidate on the same rows, and the gates."""
    lines = []
    for compared in evidence.scorecard.comparisons:
        if compared.on in {"current", "reference"}:
            lines.append(f"   {compared.on:9} {compared.metric:8} champion "
                         f"{_est(compared.champion, compared.metric)} → candidate "
                         f"{_est(compared.candidate, compared.metric)}, paired {points(compared.difference)} "
                         f"{unit(compared.metric)}{_lowered(compared.metric)}")  # fmt: skip
    if evidence.scorecard.judgement:
        lines.append(f"   judge     {tell_judgement(evidence.scorecard.judgement)}")
    lines += _variants(evidence.variants)
    return lines + [f"   gate {MARKS[g.verdict]}    {g.called}: {g.because}" for g in evidence.blessing.gates]


def _variants(checks: tuple[VariantCheck, ...]) -> list[str]:
    return [f"   variant   {check.variant}: same answers {_est(check.agreement)}, largest gap of a probability "
            f"{check.largest_gap:.2g}, {check.variant_ms.p50:.1f} ms a text against {check.full_ms.p50:.1f}"
            for check in checks]  # fmt: skip


def _lowered(metric: str) -> str:
    """A difference above 0 is for the better, although the number fell."""
    return " (above 0: less, which is better)" if METRICS[metric].better == "less" else ""
