"""The scheduled run: monitor, decide, retrain, gate, release, report."""

from pathlib import Path

from prefect import flow

from flows.look import Looked, Run, begun, look, report_on
from flows.naming import run_name
from flows.promote import release_challenger
from flows.retrain import attempt_to_improve
from infra.workspace import open_workspace
from models.contracts import Ended, Handled, RunReport
from models.spec import ModelSpec, read_spec
from tasks.conclusion import history_entry
from tasks.events import emit_events
from tasks.reporting import write_report
from tasks.runs import close_run, find_handled


@flow(
    name="maintain",
    flow_run_name=run_name,
    description="Looks at what came in since the last run; holds, alerts, or releases a better model.",
)
def maintain(spec_path: Path, window: str | None = None, force: bool = False, dry_run: bool = False) -> Ended:
    """One maintenance run.

    Args:
        spec_path: The model's spec, a YAML file on the worker's machine.
        window: The digest of a window that an event named; where a run has looked at it already, this one ends at
            once. Empty: whatever came in since the last run.
        force: Retrain whatever is seen.
        dry_run: Write nothing; stop at the decision.
    """
    spec = read_spec(spec_path)
    handled = _find_handled(spec_path, spec, window) if window else None
    if handled:
        return Ended(report=handled, pages=None)
    with begun(spec_path, spec, force=force, dry_run=dry_run) as run:
        looked = look(run)
        if dry_run:
            return Ended(report=report_on(run, looked), pages=None)
        return _finish(run, _retrain(run, looked))


def _find_handled(spec_path: Path, spec: ModelSpec, window: str) -> Handled | None:
    with open_workspace(spec_path, spec) as work:
        return find_handled(window, model=spec.name, store=work.store)


def _retrain(run: Run, looked: Looked) -> RunReport:
    if looked.training_set is None or looked.seen is None:
        return report_on(run, looked)
    attempt = attempt_to_improve(run.spec, run.champion, looked.training_set, work=run.work)
    release = release_challenger(run.spec, run.start, run.champion, looked.seen, attempt, store=run.work.store)
    return report_on(run, looked, attempt, release)


def _finish(run: Run, report: RunReport) -> Ended:
    pages = write_report(report, home=run.work.home, store=run.work.store)
    emit_events(report, run.window)
    close_run(history_entry(report, run.window, pages), store=run.work.store)
    return Ended(report=report, pages=pages)
