"""What keeps a retraining that is called for from starting now, until when, and how long one that starts may last:
pure functions of the history.

A retraining counts from its end, so that no two starts and no two ends lie closer together than the spec allows.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from models.contracts import Budget, HistoryEntry
from models.part import parse_period
from models.sections import Policy
from tasks.formats import amount, minute_after

MONTH = timedelta(days=30)


def what_forbids_training(
    history: Sequence[HistoryEntry], *, policy: Policy, now: datetime, waiting: HistoryEntry | None = None
) -> list[str]:
    """A sentence for each limit that is reached, with when it is free again. `history` is newest first.

    `waiting` is a run whose training stopped at its cap: another with the same settings would, too.
    """
    found = (_cooldown(history, policy, now), _number(history, policy, now), _minutes(history, policy, now),
             _stopped(waiting))  # fmt: skip
    return [sentence for sentence in found if sentence]


def training_budget(
    history: Sequence[HistoryEntry], *, policy: Policy, now: datetime, spent: float = 0.0, force: bool = False
) -> Budget:
    """The smaller of the spec's two caps: one training's, and what is left of the month's. `spent`: minutes of the same
    training that the history accounts for. A training that is forced may overdraw the month, not its own cap."""
    caps = {"policy.max_training_minutes": policy.max_training_minutes}
    if policy.training_minutes_a_month is not None and not force:
        used = sum(e.training_minutes for e in _within_a_month(history, now))
        caps["policy.training_minutes_a_month"] = spent + max(0.0, policy.training_minutes_a_month - used)
    given = {limit: minutes for limit, minutes in caps.items() if minutes is not None}
    if not given:
        return Budget(spent=spent)
    limit = min(given, key=given.__getitem__)
    return Budget(cap=given[limit], limit=limit, spent=spent)


def _cooldown(history: Sequence[HistoryEntry], policy: Policy, now: datetime) -> str | None:
    last = next((e.finished_at for e in history if e.retrained), None)
    if last is None or last + parse_period(policy.cooldown) <= now:
        return None
    return f"policy.cooldown = {policy.cooldown} lasts until {minute_after(last + parse_period(policy.cooldown))}"


def _number(history: Sequence[HistoryEntry], policy: Policy, now: datetime) -> str | None:
    most = policy.max_retrains_a_month
    ends = [e.finished_at for e in _within_a_month(history, now) if e.retrained]
    if most is None or len(ends) < most:
        return None
    return (f"{amount(len(ends), 'retraining')} in the last 30 days, policy.max_retrains_a_month = {most}: free again at "
            f"{minute_after(ends[most - 1] + MONTH)}")  # fmt: skip


def _minutes(history: Sequence[HistoryEntry], policy: Policy, now: datetime) -> str | None:
    allowed = policy.training_minutes_a_month
    month = _within_a_month(history, now)
    used = [sum(e.training_minutes for e in month[:newest]) for newest in range(len(month) + 1)]
    if allowed is None or used[-1] < allowed:
        return None
    first_to_go = next(i for i, minutes in enumerate(used) if minutes >= allowed) - 1
    return (f"{used[-1]:.1f} training minutes in the last 30 days, policy.training_minutes_a_month = {allowed:g}: "
            f"free again at {minute_after(month[first_to_go].finished_at + MONTH)}")  # fmt: skip


def _stopped(waiting: HistoryEntry | None) -> str | None:
    return f"run {waiting.run_id}: {waiting.stopped.sentence}" if waiting and waiting.stopped else None


def _within_a_month(history: Sequence[HistoryEntry], now: datetime) -> list[HistoryEntry]:
    """Newest first by their ends, whatever the order of the history."""
    return sorted((e for e in history if e.finished_at + MONTH > now), key=lambda e: e.finished_at, reverse=True)
