"""One run, decided again from the numbers that it stored: by another spec, and after another history.

A signal keeps its p-value and its share of the run's level; level, floors and policy are the spec's.
"""

from collections.abc import Sequence

from models.contracts import (
    Action,
    DriftReport,
    DriftSignal,
    HistoryEntry,
    Observation,
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
from tasks.formats import count
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


def decide_again(
    report: RunReport, seen: Observation, history: Sequence[HistoryEntry], spec: ModelSpec, *, minutes: float
) -> Decided:
    """`seen` is the report's observation, `history` newest first, `minutes` what the training takes if there is one."""
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
    return not_trained(decision, f"{NOT_TRAINED}about {count(expected)} new labelled training rows, at least "
                                 f"{training.min_rows} are needed")  # fmt: skip
