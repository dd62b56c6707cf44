"""The year's budget of false alarms: what this run's two tests may spend, and what earlier runs have spent.

Half of `policy.false_alarms_a_year` goes to the drift verdict, half to the test that quality fell. Pure functions of
the history and a time that is passed in.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from models.contracts import HistoryEntry, Outcome, Record
from models.sections import Drift, Policy
from tasks.metrics.spending import YEAR, level


class Levels(Record):
    """Probabilities of a false alarm; summed over runs, expected numbers of false alarms."""

    drift: float
    quality: float

    @property
    def total(self) -> float:
        return self.drift + self.quality


def spend_levels(history: Sequence[HistoryEntry], *, drift: Drift, policy: Policy, now: datetime) -> Levels:
    """The levels at which a run that started at `now` tests. `history` is newest first.

    `now` is the run's start and not the clock, so that a resumed run spends what it spent before. A run without
    labels spends its quality level all the same: whether labels come may depend on what earlier tests said.
    """
    half = policy.false_alarms_a_year / 2
    return Levels(
        drift=level(drift.alpha, false_alarms_a_year=half, looks=_looks(history), now=now),
        quality=quality_level(history, policy=policy, now=now),
    )


def quality_level(history: Sequence[HistoryEntry], *, policy: Policy, now: datetime) -> float:
    """The level of the test that quality fell."""
    half = policy.false_alarms_a_year / 2
    return level(policy.p_value, false_alarms_a_year=half, looks=_looks(history), now=now)


def since_last_look(history: Sequence[HistoryEntry], *, now: datetime) -> timedelta:
    """From start to start. A run that waited looked at nothing; a rollback neither. Without a history: 0."""
    looked = next((e.started_at for e in history if _looked(e)), now)
    return max(now - looked, timedelta(0))


def _looks(history: Sequence[HistoryEntry]) -> list[datetime]:
    return [e.started_at for e in reversed(history) if _looked(e)]


def _looked(entry: HistoryEntry) -> bool:
    if entry.went_on:
        return False
    return entry.kind == "bootstrap" or (entry.kind == "maintain" and entry.outcome is not Outcome.WAITING)


def spent(history: Sequence[HistoryEntry], *, now: datetime) -> Levels:
    """The false alarms that were to be expected of the last 365 days, had nothing changed: of the tests that were made. What
    a run without labels took out of the purse is none of them."""
    year = [e for e in history if now - YEAR < e.started_at <= now]
    return Levels(drift=sum(e.drift_alpha for e in year), quality=sum(e.quality_alpha for e in year))
