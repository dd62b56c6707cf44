"""Hold, alert or retrain: a pure function of the reports, the policy and the history.

Drift is not harm: label-free estimates called real losses improvements (field notes), so by default only labels call
for training, and drift without labels calls for labels.
"""

from collections.abc import Sequence
from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from models.contracts import Action, DriftReport, HistoryEntry, MonitoringReport, Outcome, RetrainDecision
from models.part import parse_period
from models.sections import Policy


@task(name="decide", cache_policy=NO_CACHE)
def decide(
    monitoring: MonitoringReport, drift: DriftReport, history: Sequence[HistoryEntry], *,
    policy: Policy, force: bool, now: datetime,
) -> RetrainDecision:  # fmt: skip
    """`history` is newest first. The reasons are sentences with the numbers that decided."""
    degraded, quality = judge_quality(monitoring, policy)
    found = _describe_drift(drift)
    enough = monitoring.rows >= policy.min_rows
    degraded, drifted = degraded and enough, drift.drifted and enough
    if enough or force:
        action, reasons = _act(degraded, drifted, monitoring, history, policy=policy, force=force, now=now)
    else:  # nor does a scheduled retraining have rows to train on
        action, reasons = Action.HOLD, []
    if not enough:
        reasons = [*reasons, f"{monitoring.rows} rows are fewer than policy.min_rows = {policy.min_rows}"]
    return RetrainDecision(
        action=action, reasons=(found, quality, *reasons), degraded=degraded, drifted=drifted,
        asks_for_labels=action is Action.ALERT and drifted and monitoring.labelled < policy.min_labels,
    )  # fmt: skip


def judge_quality(monitoring: MonitoringReport, policy: Policy) -> tuple[bool, str]:
    """Whether labels prove a drop of accuracy, and the sentence that says so."""
    check = next((c for c in monitoring.quality if c.metric == "accuracy"), None)
    if check is None or monitoring.labelled < policy.min_labels:
        return False, f"{monitoring.labelled} labelled rows are no evidence of quality (at least {policy.min_labels})"
    then, now = f"{check.at_release.value:.1%} at release", f"{check.now.value:.1%} now"
    numbers = f"{then}, {now} (p = {check.p_value:.2g}, {check.now.n} labels)"
    fell = check.p_value < policy.p_value and check.drop >= policy.min_drop
    return fell, f"accuracy {'fell' if fell else 'holds'}: {numbers}"


def _describe_drift(drift: DriftReport) -> str:
    """The strongest three by p-value, with their numbers; the report lists all."""
    moved = sorted((s for s in drift.signals if s.drifted), key=lambda s: (s.p_value, -s.effect))
    if not moved:
        return f"no drift in {len(drift.signals)} signals at alpha {drift.alpha:g}"
    named = [f"{s.name} (p = {s.p_value:.2g}, {s.effect_name} {s.effect:.2f})" for s in moved[:3]]
    return f"drift in {', '.join(named)}" + (f" and {len(moved) - 3} more" if len(moved) > 3 else "")


def _act(
    degraded: bool, drifted: bool, monitoring: MonitoringReport, history: Sequence[HistoryEntry], *,
    policy: Policy, force: bool, now: datetime,
) -> tuple[Action, list[str]]:  # fmt: skip
    if force:
        return Action.RETRAIN, ["retraining was forced"]
    due = _overdue(history, policy, now)
    calls = {"quality": degraded, "drift": drifted, "either": degraded or drifted}[policy.act_on]
    if calls or due:
        return _unless_too_early(history, policy, now, [due] if due else [], called=calls)
    if drifted and monitoring.labelled < policy.min_labels:
        return Action.ALERT, ["label some of these rows, so that it can be told whether the change does harm"]
    if drifted or degraded:
        return Action.ALERT, [f"policy.act_on is {policy.act_on}, so this asks for a person and not for training"]
    return Action.HOLD, []


def _unless_too_early(
    history: Sequence[HistoryEntry], policy: Policy, now: datetime, reasons: list[str], *, called: bool
) -> tuple[Action, list[str]]:
    """k of n windows must say so (a scheduled retraining needs none to), and the cooldown must be over."""
    agreeing = 1 + sum(_called(e, policy) for e in _windows(history)[: policy.n - 1])
    if called and agreeing < policy.k and not reasons:
        return Action.ALERT, [f"{agreeing} of the last {policy.n} windows call for training, policy.k = {policy.k}"]
    last = next((e.finished_at for e in history if e.retrained), None)
    free_at = last + parse_period(policy.cooldown) if last else now
    if free_at > now:
        return Action.ALERT, [*reasons, f"policy.cooldown = {policy.cooldown} lasts until {free_at:%Y-%m-%d %H:%M} UTC"]
    return Action.RETRAIN, reasons


def _windows(history: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """Runs that looked at rows since the champion last changed: what an earlier champion did says nothing of this."""
    windows: list[HistoryEntry] = []
    for entry in history:
        if entry.kind != "maintain" or entry.outcome is Outcome.RELEASED:
            break
        if entry.outcome is not Outcome.WAITING:
            windows.append(entry)
    return windows


def _called(entry: HistoryEntry, policy: Policy) -> bool:
    return {"quality": entry.degraded, "drift": entry.drifted, "either": entry.degraded or entry.drifted}[policy.act_on]


def _overdue(history: Sequence[HistoryEntry], policy: Policy, now: datetime) -> str | None:
    if not policy.retrain_every:
        return None
    trained = [e.finished_at for e in history if e.retrained or e.kind == "bootstrap"]
    if trained and trained[0] + parse_period(policy.retrain_every) > now:
        return None
    return f"policy.retrain_every = {policy.retrain_every} is due"
