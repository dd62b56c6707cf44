"""Going on with a training that an earlier run left at its cap, once the spec or the month allows it more minutes."""

from flows.look import Looked, Run
from tasks.history import read_reports
from tasks.limits import training_budget
from tasks.waiting import Left, take_over


def take_up(run: Run) -> Looked | None:
    """None where no training waits, where it is allowed no more minutes, or where its run's report is gone."""
    waiting, start = run.waiting, run.start
    if waiting is None or waiting.stopped is None:
        return None
    budget = training_budget(
        run.history, policy=run.spec.policy, now=start.started_at, spent=waiting.stopped.minutes, force=start.force
    )
    if budget.used_up:
        return None
    report = read_reports([waiting], store=run.work.store).get(waiting.run_id)
    left = take_over(report, cursor=start.cursor, budget=budget) if report else None
    return _looked(run, left) if left else None


def _looked(run: Run, left: Left) -> Looked:
    return Looked(
        left.seen.window, left.decision, left.seen, run.training_set(left.seen), left.budget, went_on_from=left.stopped
    )
