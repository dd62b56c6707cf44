"""Going on with a training that an earlier run left at its cap, once the spec or the month allows it more minutes."""

from collections.abc import Sequence

from infra.object_store import ObjectStore
from models.contracts import HistoryEntry, RunStart
from models.spec import ModelSpec
from tasks.limits import training_budget
from tasks.runs import read_reports
from tasks.waiting import Left, take_over


def take_up(
    spec: ModelSpec, start: RunStart, waiting: HistoryEntry | None, history: Sequence[HistoryEntry], *,
    store: ObjectStore,
) -> Left | None:  # fmt: skip
    """None where no training waits, where it is allowed no more minutes, or where its run's report is gone."""
    if waiting is None or waiting.stopped is None:
        return None
    budget = training_budget(
        history, policy=spec.policy, now=start.started_at, spent=waiting.stopped.minutes, force=start.force
    )
    if budget.used_up:
        return None
    report = read_reports([waiting], store=store).get(waiting.run_id)
    return take_over(report, cursor=start.cursor, budget=budget) if report else None
