"""What would the policy have decided? Reruns it over stored history, with a spec that may have changed since.

Each run is decided again from the numbers that it stored (`tasks/decided_again.py`), against a history in which the
replayed decisions stand in for the real ones. What no replay can know is what the numbers would have been after a
retraining that did not happen.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from models.contracts import Action, HistoryEntry, Outcome, Record, RunReport
from models.spec import ModelSpec
from tasks.budget import Levels
from tasks.decided_again import Decided, decide_again
from tasks.span import Span


class ReplayedRun(Record):
    sequence: int
    run_id: str
    at: datetime
    then: Decided
    now: Decided
    another_champion: bool
    """An earlier release was added or left out: the stored numbers are of a champion that might not have been."""

    @property
    def differs(self) -> bool:
        return self.then.decision.action is not self.now.decision.action

    @property
    def because(self) -> tuple[str, ...]:
        """What is said now and was not said then."""
        now, then = self.now.decision.reasons, self.then.decision.reasons
        return tuple(reason for reason in now if reason not in then) or now


class WentOn(Record):
    """A run that decided nothing, and trained: it went on with what an earlier one had left at its cap."""

    entry: HistoryEntry
    happens: bool
    """Whether that training would have begun."""


class Total(Record):
    retrainings: int
    minutes: float
    spent: float


class Replay(Record):
    """`runs` is oldest first; those without a stored report were taken as they were."""

    model: str
    runs: tuple[ReplayedRun, ...]
    without_report: tuple[HistoryEntry, ...]
    went_on: tuple[WentOn, ...] = ()

    @property
    def then(self) -> Total:
        return _total([run.then for run in self.runs], [run.entry for run in self.went_on])

    @property
    def now(self) -> Total:
        return _total([run.now for run in self.runs], [run.entry for run in self.went_on if run.happens])


def _total(runs: Sequence[Decided], went_on: Sequence[HistoryEntry]) -> Total:
    return Total(
        retrainings=sum(run.retrains for run in runs) + sum(entry.retrained for entry in went_on),
        minutes=sum(run.minutes for run in runs) + sum(entry.training_minutes for entry in went_on),
        spent=sum(run.spent.total for run in runs),
    )  # fmt: skip


def is_replayed(entry: HistoryEntry, span: Span) -> bool:
    """Whether a run lies in the span and decided something; one that waited, or went on with a training, did not."""
    decided = entry.kind == "maintain" and entry.outcome is not Outcome.WAITING and not entry.went_on
    return decided and span.holds(entry.started_at)


def replay_policy(
    history: Sequence[HistoryEntry], reports: Mapping[str, RunReport], *, spec: ModelSpec, span: Span
) -> Replay:
    """`reports` holds the runs to be replayed by their ids. Runs before the span are taken as they were."""
    simulated: list[HistoryEntry] = []
    runs: list[ReplayedRun] = []
    went_on: list[WentOn] = []
    usual, another, in_turn = _usual_minutes(history), False, sorted(history, key=lambda e: e.sequence)
    for entry in in_turn:
        if entry.went_on:
            run_on = WentOn(entry=entry, happens=_had_begun(entry, simulated))
            simulated[:0] = [entry] if run_on.happens else []
            went_on += [run_on] if span.holds(entry.started_at) else []
            another = another or (not run_on.happens and entry.outcome is Outcome.RELEASED)
            continue
        report = reports.get(entry.run_id) if is_replayed(entry, span) else None
        run = _replay_run(entry, report, simulated, spec, usual=usual, another=another)
        simulated.insert(0, _as_if(entry, run) if run else entry)
        if run:
            runs.append(run)
            another = another or _moves_the_champion(entry, run)
    found = {run.run_id for run in runs}
    missing = tuple(e for e in in_turn if is_replayed(e, span) and e.run_id not in found)
    return Replay(model=spec.name, runs=tuple(runs), without_report=missing, went_on=tuple(went_on))


def _replay_run(
    entry: HistoryEntry, report: RunReport | None, history: Sequence[HistoryEntry], spec: ModelSpec, *,
    usual: float, another: bool,
) -> ReplayedRun | None:  # fmt: skip
    if report is None or report.observation is None or report.decision is None:
        return None
    spent = Levels(drift=entry.drift_alpha, quality=entry.quality_alpha)
    then = Decided(decision=report.decision, minutes=entry.training_minutes, spent=spent)
    return ReplayedRun(
        sequence=entry.sequence, run_id=entry.run_id, at=entry.started_at, then=then,
        now=decide_again(report, report.observation, history, spec, minutes=entry.training_minutes or usual),
        another_champion=another,
    )  # fmt: skip


def _usual_minutes(history: Sequence[HistoryEntry]) -> float:
    minutes = [_minutes(e, history) for e in history if e.retrained] or [e.training_minutes for e in history]
    trained = [m for m in minutes if m]
    return sum(trained) / len(trained) if trained else 0.0


def _minutes(entry: HistoryEntry, history: Sequence[HistoryEntry]) -> float:
    """Of the whole training that a run brought to its end."""
    earlier = [e for e in history if e.stopped and e.window_digest == entry.window_digest] if entry.went_on else []
    return entry.training_minutes + sum(e.training_minutes for e in earlier)


def _had_begun(entry: HistoryEntry, simulated: Sequence[HistoryEntry]) -> bool:
    """Whether the run whose rows this one's training is of left one."""
    first = next((e for e in simulated if e.window_digest == entry.window_digest and not e.went_on), None)
    return first is None or first.stopped is not None


def _moves_the_champion(entry: HistoryEntry, run: ReplayedRun) -> bool:
    if run.now.retrains:
        return not run.then.retrains
    return run.then.retrains and entry.outcome is Outcome.RELEASED


def _as_if(entry: HistoryEntry, run: ReplayedRun) -> HistoryEntry:
    """The run's entry, had it decided as it does now. A retraining that did not happen counts as released."""
    now = run.now
    outcomes = {Action.HOLD: Outcome.HELD, Action.ALERT: Outcome.ALERTED, Action.RETRAIN: Outcome.RELEASED}
    same = now.retrains and run.then.retrains
    return entry.model_copy(update={
        "outcome": entry.outcome if same else outcomes[now.decision.action], "retrained": now.retrains,
        "degraded": now.decision.degraded, "drifted": now.decision.drifted, "drift_alpha": now.spent.drift,
        "quality_alpha": now.spent.quality, "training_minutes": now.minutes,
        "stopped": entry.stopped if now.minutes else None,
    })  # fmt: skip
