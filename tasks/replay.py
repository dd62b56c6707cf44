"""What would the policy have decided? Reruns it over stored history, with a spec that may have changed since.

Each run is decided again from the numbers that it stored, against a history in which the replayed decisions stand in
for the real ones. A signal keeps its p-value and its share of the run's level; level, floors and policy are the spec's.
What no replay can know is what the numbers would have been after a retraining that did not happen.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from models.contracts import (
    Action,
    DriftReport,
    DriftSignal,
    HistoryEntry,
    Observation,
    Outcome,
    Record,
    RetrainDecision,
    RunReport,
)
from models.recipe import Training
from models.sections import Drift
from models.spec import ModelSpec
from tasks.budget import Levels, spend_levels
from tasks.conclusion import NOT_TRAINED, not_trained, require_enough_rows, stop_at_cap
from tasks.decision import decide
from tasks.span import Span
from tasks.waiting import find_waiting

FLOORS = {"AUC": "min_auc", "largest gap": "min_ks", "total variation": "min_ks"}
"""The effect -> the spec's field that holds its floor; any other effect keeps the floor that was stored."""


class Decided(Record):
    """What a run decided, or would have decided."""

    decision: RetrainDecision
    minutes: float
    """Of training; of one that did not happen: the mean of those that did."""
    spent: Levels

    @property
    def retrains(self) -> bool:
        return self.decision.action is Action.RETRAIN


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


class Total(Record):
    retrainings: int
    minutes: float
    spent: float


class Replay(Record):
    """`runs` is oldest first; those without a stored report were taken as they were."""

    model: str
    runs: tuple[ReplayedRun, ...]
    without_report: tuple[HistoryEntry, ...]

    @property
    def then(self) -> Total:
        return _total([run.then for run in self.runs])

    @property
    def now(self) -> Total:
        return _total([run.now for run in self.runs])


def _total(runs: Sequence[Decided]) -> Total:
    return Total(
        retrainings=sum(run.retrains for run in runs), minutes=sum(run.minutes for run in runs),
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
    usual, another, in_turn = _usual_minutes(history), False, sorted(history, key=lambda e: e.sequence)
    for entry in in_turn:
        report = reports.get(entry.run_id) if is_replayed(entry, span) else None
        run = _replay_run(entry, report, simulated, spec, usual=usual, another=another)
        simulated.insert(0, _as_if(entry, run) if run else entry)
        if run:
            runs.append(run)
            another = another or _moves_the_champion(entry, run)
    found = {run.run_id for run in runs}
    missing = tuple(e for e in in_turn if is_replayed(e, span) and e.run_id not in found)
    return Replay(model=spec.name, runs=tuple(runs), without_report=missing)


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
        now=_decide_again(report, report.observation, history, spec, minutes=entry.training_minutes or usual),
        another_champion=another,
    )  # fmt: skip


def _decide_again(
    report: RunReport, seen: Observation, history: Sequence[HistoryEntry], spec: ModelSpec, *, minutes: float
) -> Decided:
    at = report.start.started_at
    champion = history[0].champion_version if history else 0  # after the run before, and so when this one began
    levels = spend_levels(history, drift=spec.drift, policy=spec.policy, now=at)
    decision = decide.fn(
        seen.monitoring, at_level(seen.drift, levels.drift, spec.drift), history, policy=spec.policy,
        window_digest=seen.window.table.sha256, force=report.start.force, now=at,
        waiting=find_waiting(history, training=spec.training, champion_version=champion),
        new_classes=seen.validation.new_classes,
    )  # fmt: skip
    if decision.action is Action.RETRAIN:
        decision = _if_enough_rows(decision, report, seen, spec.training)
    trained = decision.action is Action.RETRAIN
    if trained and report.stopped:  # whether another cap would have let it end, no replay can know
        decision = stop_at_cap(decision, report.stopped)
    spent = Levels(drift=levels.drift, quality=decision.quality_alpha)
    return Decided(decision=decision, minutes=minutes if trained else 0.0, spent=spent)


def at_level(report: DriftReport, alpha: float, drift: Drift) -> DriftReport:
    """The same p-values and effects, held against another level and the spec's floors. A report that was made at
    level 0 kept no shares: its signals then share alike."""

    def again(signal: DriftSignal) -> DriftSignal:
        share = signal.threshold / report.alpha if report.alpha else 1 / len(report.signals)
        floor = getattr(drift, FLOORS[signal.effect_name]) if signal.effect_name in FLOORS else signal.floor
        return signal.model_copy(update={"threshold": share * alpha, "floor": floor})

    return report.model_copy(update={"alpha": alpha, "signals": tuple(again(s) for s in report.signals)})


def _if_enough_rows(
    decision: RetrainDecision, report: RunReport, seen: Observation, training: Training
) -> RetrainDecision:
    """Known where the run built a training set; else the share of labelled rows that trains on average."""
    if report.attempt:
        return require_enough_rows(decision, report.attempt.training_set, training, may_ask=False)
    refused = [r for r in report.decision.reasons if r.startswith(NOT_TRAINED)] if report.decision else []
    if refused:
        return not_trained(decision, refused[0])
    expected = round(seen.monitoring.labelled * (1 - training.test_share - training.validation_share))
    if expected >= training.min_rows:
        return decision
    return not_trained(decision, f"{NOT_TRAINED}about {expected} new labelled training rows, at least "
                                 f"{training.min_rows} are needed")  # fmt: skip


def _usual_minutes(history: Sequence[HistoryEntry]) -> float:
    minutes = [e.training_minutes for e in history if e.retrained] or [e.training_minutes for e in history]
    trained = [m for m in minutes if m]
    return sum(trained) / len(trained) if trained else 0.0


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
