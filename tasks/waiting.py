"""A training that stopped at its cap and waits for more minutes: which one, and the run that goes on with it.

Such a run looks at no rows of its own. It takes over what the stopped run saw and decided, so that nothing is decided
twice and no false alarm is paid for twice; what came in meanwhile is the next run's.
"""

from collections.abc import Sequence

from models.contracts import (
    Action,
    Budget,
    Cursor,
    HistoryEntry,
    Observation,
    Record,
    RetrainDecision,
    RunReport,
    Stopped,
)
from models.recipe import Training


class Left(Record):
    """A training that was left: what called for it, and how far it is, and what it may use in all."""

    seen: Observation
    decision: RetrainDecision
    stopped: Stopped
    budget: Budget


def find_waiting(history: Sequence[HistoryEntry], *, training: Training, champion_version: int) -> HistoryEntry | None:
    """The run that left it; None where a later run has trained, where the champion is another by now, or where the
    spec trains otherwise. `history` is newest first."""
    for entry in history:
        if entry.retrained or entry.kind == "bootstrap" or entry.champion_version != champion_version:
            return None
        if entry.stopped:
            return entry if entry.stopped.settings == training.digest else None
    return None


def take_over(report: RunReport, *, cursor: Cursor, budget: Budget) -> Left | None:
    """The stopped run's training as this run's. `cursor`: how far has been read by now."""
    seen, decision, stopped = report.observation, report.decision, report.stopped
    if seen is None or decision is None or stopped is None:
        return None
    goes_on = f"goes on with the training that run {report.start.run_id} left {stopped.place}".rstrip()
    decision = decision.model_copy(update={
        "action": Action.RETRAIN, "asks_for_labels": False, "quality_alpha": 0.0,
        "reasons": (*decision.reasons[:-1], goes_on),
    })  # fmt: skip
    window = seen.window.model_copy(update={"cursor": cursor})
    return Left(seen=seen.model_copy(update={"window": window}), decision=decision, stopped=stopped,
                budget=budget)  # fmt: skip
