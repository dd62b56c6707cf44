"""The scheduled run: monitor, decide, retrain, gate, release, report."""

from pathlib import Path

from prefect import flow

from flows.approve import ask_for_approval
from flows.go_on import take_up
from flows.look import Looked, Run, begun, close, finished_by_another, look, read_window, report_on
from flows.naming import run_name
from flows.promote import publish_challenger, release_challenger
from flows.retrain import try_to_improve
from infra.flow_run import is_started_again
from infra.workspace import open_workspace
from models.contracts import Ended, Handled, Observation, RunReport, Stopped, TrainingSet
from models.spec import ModelSpec, read_spec
from tasks.entries import history_entry
from tasks.events import emit_events
from tasks.opened import owe
from tasks.reporting import write_report
from tasks.runs import find_handled, require_open


@flow(
    name="maintain",
    flow_run_name=run_name,
    description="Looks at what came in since the last run; holds, alerts, or releases a better model.",
)
def maintain(spec_path: Path, window: str | None = None, force: bool = False, dry_run: bool = False) -> Ended:
    """One maintenance run. Started again after its end, it ends at once.

    Args:
        spec_path: The model's spec, a YAML file on the worker's machine.
        window: The digest of a window that an event named; where a run has looked at it already, this one ends at
            once. Empty: whatever came in since the last run.
        force: Retrain whatever is seen.
        dry_run: Write nothing; stop at the decision.
    """
    spec = read_spec(spec_path)
    handled = _find_handled(spec_path, spec, window)
    if handled:
        return Ended(report=handled, pages=None)
    with begun(spec_path, spec, force=force, dry_run=dry_run) as run:
        looked = take_up(run) or look(run, read_window(run))
        if dry_run:
            return Ended(report=report_on(run, looked), pages=None)
        if looked.training_set is None or looked.seen is None:
            return _finish(run, looked, report_on(run, looked))
        return _finish(run, looked, _improve(run, looked, looked.seen, looked.training_set))


def _find_handled(spec_path: Path, spec: ModelSpec, window: str | None) -> Handled | None:
    if not (window or is_started_again()):
        return None
    with open_workspace(spec_path, spec) as work:
        return find_handled(window, model=spec.name, store=work.store)


def _improve(run: Run, looked: Looked, seen: Observation, training_set: TrainingSet) -> RunReport:
    trial = try_to_improve(run.spec, run.champion, training_set, budget=looked.budget, base=run.base, work=run.work)
    attempt = trial.came_to
    if isinstance(attempt, Stopped):
        return report_on(run, looked.stopped_at(attempt), stopped=attempt)
    store = run.work.store
    challenger = publish_challenger(run.spec, run.start, run.champion, seen, attempt, store=store)
    asked = ask_for_approval(run.spec, run.start, run.champion, attempt, challenger, store=store)
    owed = history_entry(report_on(run, looked, attempt, asked=asked), looked.window, None)
    release = release_challenger(run.spec, run.start, run.champion, attempt, challenger, owed=owed, store=store)
    return report_on(run, looked, attempt, release, asked=asked)


def _finish(run: Run, looked: Looked, report: RunReport) -> Ended:
    store = run.work.store
    if done := finished_by_another(run):
        return done
    pages = write_report(report, home=run.work.home, store=store)
    entry = history_entry(report, looked.window, pages)
    require_open(run.start, store=store)  # what it tells, its entry must count
    owe(entry, store)
    emit_events(report, looked.window)
    return close(run, report, entry)
