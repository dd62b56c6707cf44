"""The frequent run: looks, reports and tells. Where training is called for, it leaves that to `maintain`."""

from pathlib import Path

from prefect import flow

from flows.go_on import take_up
from flows.look import Looked, Run, begun, close, finished_by_another, look, read_window, report_on
from flows.naming import run_name
from models.contracts import Ended, Outcome
from models.spec import read_spec
from tasks.entries import history_entry
from tasks.events import emit_events
from tasks.opened import drop_opened, owe
from tasks.reporting import write_report
from tasks.runs import require_open


@flow(
    name="monitor",
    flow_run_name=run_name,
    description="Looks at what came in since the last run and tells what it sees; never trains.",
)
def monitor(spec_path: Path, dry_run: bool = False) -> Ended:
    """One look. Fewer rows than `policy.min_rows` stay unread, however often it looks.

    A window that calls for training is left open, and the event that says so names it: the next `maintain` takes it
    up with all that was found here. A window that does not is done.

    Args:
        spec_path: The model's spec, a YAML file on the worker's machine.
        dry_run: Write nothing.
    """
    spec = read_spec(spec_path)
    with begun(spec_path, spec, force=False, dry_run=dry_run) as run:
        return _finish(run, _look(run))


def _look(run: Run) -> Looked:
    """A run that had released is seen as `maintain` saw it, which is to finish it; it must not end as anything else."""
    if run.released:
        return take_up(run) or look(run, read_window(run))
    window = read_window(run)
    return look(run, window) if window.rows >= run.spec.policy.min_rows else Looked(window)


def _finish(run: Run, looked: Looked) -> Ended:
    report, store = report_on(run, looked), run.work.store
    if run.dry_run:
        return Ended(report=report, pages=None)
    if report.outcome is Outcome.WAITING:
        drop_opened(run.start.run_id, store)  # a run that found nothing to look at leaves no trace
        return Ended(report=report, pages=None)
    if done := finished_by_another(run):
        return done
    pages = write_report(report, home=run.work.home, store=store)
    require_open(run.start, store=store)  # what it tells, its entry must count
    entry = history_entry(report, looked.window, pages)
    owe(entry, store)  # where another takes its place, as by another spec
    emit_events(report, looked.window)
    if report.outcome is Outcome.WOULD_RETRAIN:
        return Ended(report=report, pages=pages)
    return close(run, report, entry)
