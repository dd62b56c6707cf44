"""Trying a spec on the past: reads the store, changes nothing, needs no Prefect server and no torch."""

from pathlib import Path
from typing import Any

from infra.workspace import open_workspace
from models.contracts import HistoryEntry
from models.spec import read_spec
from tasks.formats import amount, moment
from tasks.history import read_history, read_reports
from tasks.replay import Replay, ReplayedRun, Total, WentOn, is_replayed, replay_policy
from tasks.span import span_of


def replay(spec_path: Path, *, first: str | None, last: str | None) -> Replay:
    """`first` and `last` are days (YYYY-MM-DD, UTC), both included; None: from the bootstrap on, to the last run."""
    span, spec = span_of(first, last), read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        history = read_history(store=work.store)
        reports = read_reports([e for e in history if is_replayed(e, span)], store=work.store)
        return replay_policy(history, reports, spec=spec, span=span)


def as_json(found: Replay) -> dict[str, Any]:
    runs = [
        {**run.model_dump(mode="json"), "differs": run.differs, "because": run.because if run.differs else ()}
        for run in found.runs
    ]
    return {**found.model_dump(mode="json"), "runs": runs, "totals": {"then": found.then.model_dump(),
                                                                      "now": found.now.model_dump()}}  # fmt: skip


def replay_lines(found: Replay) -> list[str]:
    """Oldest run first, then the totals."""
    lines = {run.sequence: _line(run) for run in found.runs}
    lines |= {entry.sequence: _not_replayed(entry) for entry in found.without_report}
    lines |= {run.entry.sequence: _went_on(run) for run in found.went_on}
    if not lines:
        return [f"{found.model}: no run decided anything in that time; `upkeep history` lists all"]
    title = f"{found.model}: {amount(len(found.runs), 'run')} decided again by the spec as it is now"
    marked = ["  *  its numbers are of a champion that might not have been: a release was added or left out before it"]
    return [title, *(lines[sequence] for sequence in sorted(lines)),
            *(marked if any(run.another_champion for run in found.runs) else []), *_totals(found.then, found.now)]  # fmt: skip


def _line(run: ReplayedRun) -> str:
    then, now = run.then.decision.action, run.now.decision.action
    place = f"  {moment(run.at)}  #{run.sequence:<4}{'*' if run.another_champion else ' '} "
    return place + (f"{then:7} → {now:7}  {'; '.join(run.because)}" if run.differs else f"{then:7}   the same")


def _not_replayed(entry: HistoryEntry) -> str:
    return f"  {moment(entry.started_at)}  #{entry.sequence:<4}  {entry.outcome}, no stored report: taken as it was"


def _went_on(run: WentOn) -> str:
    told = "as it did" if run.happens else "not now: its training would not have begun"
    return f"  {moment(run.entry.started_at)}  #{run.entry.sequence:<4}  {run.entry.outcome}, went on with a training that had stopped: {told}"


def _totals(then: Total, now: Total) -> list[str]:
    change = now.minutes - then.minutes
    told = "the same" if abs(change) < 0.05 else f"{abs(change):.1f} {'added' if change > 0 else 'saved'}"
    return [
        f"  retrainings       {then.retrainings} then, {now.retrainings} now",
        f"  training minutes  {then.minutes:.1f} then, {now.minutes:.1f} now: {told}",
        f"  false alarms      {then.spent:.2g} expected then, {now.spent:.2g} now, if nothing had changed",
    ]
