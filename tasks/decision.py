"""Hold, alert or retrain: a pure function of the reports, the policy and the history.

Drift is not harm: label-free estimates called real losses improvements (field notes), so by default only labels call
for training, and drift without labels calls for labels. The first line that fits decides:

| | when | then |
| --- | --- | --- |
| 1 | `--force` | retrain, whatever follows |
| 2 | fewer rows than `min_rows`, and than `min_labels` labels that were asked for | hold |
| 3 | an earlier run has retrained on these very rows | hold, naming that run |
| 4 | what `act_on` names is seen, in fewer than `k` of the last `n` windows, and `retrain_every` is not due | alert |
| 5 | seen or due, but `cooldown`, `max_retrains_a_month` or `training_minutes_a_month` forbids, or a training with the same settings waits at its cap | alert, until when |
| 6 | seen or due | retrain |
| 7 | drift, and too few labels to tell whether it does harm | alert |
| 8 | drift or a drop that `act_on` does not name, or a class that the spec does not list | alert |
| 9 | nothing of this | hold |

Where drift meets too few labels in lines 1 and 4 to 8, the decision asks for labels as well, at most once in `ask_every`. What even `--force` cannot
overrule is decided later: with too few labelled rows there is nothing to train on, and a drift asks for more by the same rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from models.contracts import Action, DriftReport, HistoryEntry, LabelCount, MonitoringReport, Outcome, RetrainDecision
from models.part import parse_period
from models.sections import Policy
from tasks.budget import quality_level, since_last_look
from tasks.formats import amount, amount_is, isolated, minute_after, p_in_words
from tasks.limits import what_forbids_training
from tasks.quality import judge_quality, nothing_left


@dataclass(frozen=True)
class Evidence:
    """What this window says, once too small a window was discounted."""

    degraded: bool
    drifted: bool


@task(name="decide", cache_policy=NO_CACHE)
def decide(
    monitoring: MonitoringReport, drift: DriftReport, history: Sequence[HistoryEntry], *,
    policy: Policy, window_digest: str, force: bool, now: datetime, waiting: HistoryEntry | None = None,
    new_classes: Sequence[LabelCount] = (),
) -> RetrainDecision:  # fmt: skip
    """`history` is newest first, `now` the run's start, `waiting` a run whose training waits at its cap. The reasons are sentences with the numbers that decided."""
    level = _quality_level(monitoring, history, policy, now)
    quality = judge_quality(monitoring, policy, level=level, since=since_last_look(history, now=now))
    enough = monitoring.rows >= policy.min_rows or _asked_for_enough(monitoring, policy)
    seen = Evidence(quality.fell and enough, drift.drifted and enough)
    action, reasons = _act(
        seen, history,
        policy=policy, window_digest=window_digest, enough=enough, force=force, now=now, waiting=waiting,
    )  # fmt: skip
    if not enough:
        reasons.append(f"{amount_is(monitoring.rows, 'row')} fewer than policy.min_rows = {policy.min_rows}")
    if new_classes:
        reasons.append(_describe_new(new_classes))
        action = Action.ALERT if action is Action.HOLD else action
    unlabelled = monitoring.labelled < min(policy.min_labels, monitoring.rows)
    wants = seen.drifted and unlabelled and policy.act_on != "drift" and action is not Action.HOLD
    lately = _asked_lately(history, policy, now) if wants else ""
    if wants:
        reasons.append(lately or "label some of these rows, so that it can be told whether the change does harm")
    elif action is Action.ALERT and not reasons:
        reasons.append(f"policy.act_on is {policy.act_on}, so this asks for a person and not for training")
    return RetrainDecision(
        action=action, reasons=(_describe_drift(drift, policy), quality.sentence, *reasons),
        degraded=seen.degraded, drifted=seen.drifted, asks_for_labels=wants and not lately,
        quality_alpha=quality.level if enough else 0.0,
    )  # fmt: skip


def _describe_new(classes: Sequence[LabelCount]) -> str:
    named = ", ".join(f"{isolated(repr(found.label[:40]))} ({amount(found.rows, 'row')})" for found in classes[:5])
    return (f"a new class: {named}; its rows are in the quarantine. Add it at the end of `labels` and give the rows again: "
            "the next training grows the model's head by it")  # fmt: skip


def _quality_level(
    monitoring: MonitoringReport, history: Sequence[HistoryEntry], policy: Policy, now: datetime
) -> float:
    """What the year affords; labels that were asked for are tested at full level, however soon they came: they were
    paid for by the drift that asked, which itself is false only so often a year."""
    if _asked_for_enough(monitoring, policy):
        return policy.p_value
    return quality_level(history, policy=policy, now=now)


def _asked_for_enough(monitoring: MonitoringReport, policy: Policy) -> bool:
    """Labels that were asked for test quality once: a window too small for anything else must not use them up."""
    return monitoring.asked_for >= policy.min_labels


def may_ask(history: Sequence[HistoryEntry], *, policy: Policy, now: datetime) -> bool:
    """Whether people may be given rows to label: whoever acts on drift alone asks for none."""
    return policy.act_on != "drift" and not _asked_lately(history, policy, now)


def _asked_lately(history: Sequence[HistoryEntry], policy: Policy, now: datetime) -> str:
    """Why people are not asked again yet; empty where they may be. A new champion may ask at once."""
    last = next((e for e in _windows(history) if e.asked_for_labels), None)
    if last is None or last.finished_at + parse_period(policy.ask_every) <= now:
        return ""
    return (f"run {last.run_id} has asked for labels already; policy.ask_every = {policy.ask_every} lasts until "
            f"{minute_after(last.finished_at + parse_period(policy.ask_every))}")  # fmt: skip


def _describe_drift(drift: DriftReport, policy: Policy) -> str:
    """The strongest three by p-value, with their numbers; the report lists all."""
    if not drift.alpha:
        return f"drift was not judged, {nothing_left(policy)}"
    moved = sorted((s for s in drift.signals if s.drifted), key=lambda s: (s.p_value, -s.effect))
    if not moved:
        return f"no drift in {len(drift.signals)} signals at alpha {drift.alpha:.2g}"
    named = [f"{isolated(s.name)} (p = {p_in_words(s.p_value)}, {s.effect_name} {s.effect:.2f})" for s in moved[:3]]
    return f"drift in {', '.join(named)}" + (f" and {len(moved) - 3} more" if len(moved) > 3 else "")


def _act(
    seen: Evidence, history: Sequence[HistoryEntry], *,
    policy: Policy, window_digest: str, enough: bool, force: bool, now: datetime, waiting: HistoryEntry | None,
) -> tuple[Action, list[str]]:  # fmt: skip
    """The table above, line by line."""
    if force:
        return Action.RETRAIN, ["retraining was forced"]
    if not enough:  # nor does a scheduled retraining have rows to train on
        return Action.HOLD, []
    before = next((e for e in history if e.retrained and e.window_digest == window_digest), None)
    if before:
        return Action.HOLD, [f"run {before.run_id} (#{before.sequence}) has retrained on these very rows"]
    due = _overdue(history, policy, now)
    if _calls(seen, policy) or due:
        return _unless_limited(history, policy, now, due, waiting)
    return (Action.ALERT if seen.drifted or seen.degraded else Action.HOLD), []


def _unless_limited(
    history: Sequence[HistoryEntry], policy: Policy, now: datetime, due: list[str], waiting: HistoryEntry | None
) -> tuple[Action, list[str]]:
    """k of n windows must say so (a scheduled retraining needs none to), and no limit may be reached."""
    before = [entry for entry in _windows(history) if not entry.unread]
    agreeing = 1 + sum(_calls(e, policy) for e in before[: policy.n - 1])
    if agreeing < policy.k and not due:
        return Action.ALERT, [f"{agreeing} of the last {policy.n} windows call for training, policy.k = {policy.k}"]
    forbidden = what_forbids_training(history, policy=policy, now=now, waiting=waiting)
    return (Action.ALERT if forbidden else Action.RETRAIN), [*due, *forbidden]


def _windows(history: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """Runs that looked at rows since the champion last changed: what an earlier champion did says nothing of this."""
    windows: list[HistoryEntry] = []
    for entry in history:
        if entry.kind != "maintain" or entry.outcome is Outcome.RELEASED:
            break
        if entry.outcome is not Outcome.WAITING and not entry.went_on:
            windows.append(entry)
    return windows


def _calls(seen: Evidence | HistoryEntry, policy: Policy) -> bool:
    return {"quality": seen.degraded, "drift": seen.drifted, "either": seen.degraded or seen.drifted}[policy.act_on]


def _overdue(history: Sequence[HistoryEntry], policy: Policy, now: datetime) -> list[str]:
    if not policy.retrain_every:
        return []
    trained = [e.finished_at for e in history if e.retrained or e.kind == "bootstrap"]
    if trained and trained[0] + parse_period(policy.retrain_every) > now:
        return []
    return [f"policy.retrain_every = {policy.retrain_every} is due"]
