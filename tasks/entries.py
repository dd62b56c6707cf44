"""A run's entry in the history: the cursor that it commits, and all that later decisions know of it."""

from datetime import datetime

from models.contracts import (
    AliasEntry,
    BootstrapReport,
    Candidate,
    HistoryEntry,
    Outcome,
    Pages,
    RunReport,
    RunStart,
    Window,
)

_MOVES = {"promote": (Outcome.PROMOTED, "Promoted"), "rollback": (Outcome.ROLLED_BACK, "Rolled back to")}


def history_entry(report: RunReport, window: Window, pages: Pages | None) -> HistoryEntry:
    """What later decisions know of a run, and the cursor that it commits."""
    seen, start = report.observation, report.start
    check = seen.monitoring.deciding if seen else None
    before = start.champion.version if start.champion else 0
    return HistoryEntry(
        sequence=start.sequence, run_id=start.run_id, kind="maintain", outcome=report.outcome,
        headline=report.headline, started_at=start.started_at, finished_at=report.finished_at,
        window_digest=window.table.sha256, rows=window.rows,
        degraded=bool(report.decision and report.decision.degraded),
        drifted=bool(report.decision and report.decision.drifted), retrained=report.attempt is not None,
        drift_alpha=seen.drift.alpha if seen and not report.went_on_from else 0.0,
        quality_alpha=report.decision.quality_alpha if report.decision else 0.0,
        training_minutes=_minutes_of(report), stopped=report.stopped, went_on=report.went_on_from is not None,
        asked_for_labels=report.label_request is not None,
        quality=check.now if check else None, metric=check.metric if check else _metric_of(start),
        champion_version=report.release.version if report.release else before, cursor=window.cursor, report=pages,
        flow_runs=(start.flow_run,),
    )  # fmt: skip


def release_entry(owed: HistoryEntry, entry: AliasEntry) -> HistoryEntry:
    """Of a run that died behind its release, by what it had left before."""
    return owed.model_copy(update={
        "outcome": Outcome.RELEASED, "champion_version": entry.version, "finished_at": entry.at,
        "headline": f"Version {entry.version} became champion, version {owed.champion_version} before, and the run was killed "
                    f"before its report: {entry.why}.",
    })  # fmt: skip


def _metric_of(start: RunStart) -> str:
    deciding = start.champion.manifest.deciding if start.champion else None
    return deciding.metric if deciding else "accuracy"


def _minutes_of(report: RunReport) -> float:
    """What earlier runs' entries do not account for yet."""
    before = report.went_on_from.minutes if report.went_on_from else 0.0
    if report.stopped:
        return report.stopped.minutes - before
    return training_minutes(report.attempt.candidate) - before if report.attempt else 0.0


def bootstrap_entry(report: BootstrapReport, pages: Pages) -> HistoryEntry:
    first = report.measured[0]
    return HistoryEntry(
        sequence=report.start.sequence, run_id=report.start.run_id, kind="bootstrap", outcome=Outcome.BOOTSTRAPPED,
        headline=report.headline, started_at=report.start.started_at, finished_at=report.finished_at,
        window_digest=report.window.table.sha256, rows=report.window.rows, degraded=False, drifted=False,
        retrained=False, quality=first.estimate, metric=first.metric, champion_version=report.release.version, cursor=report.window.cursor,
        report=pages, training_minutes=training_minutes(report.candidate), flow_runs=(report.start.flow_run,),
    )  # fmt: skip


def training_minutes(candidate: Candidate) -> float:
    """Wall-clock, on the device that trained."""
    return candidate.cost.seconds / 60


def move_entry(entry: AliasEntry, start: RunStart, previous: HistoryEntry, *, at: datetime) -> HistoryEntry:
    """A promotion or rollback reads no rows: it carries the cursor on."""
    outcome, done = _MOVES[start.kind]
    return previous.model_copy(update={
        "sequence": previous.sequence + 1, "run_id": entry.run_id, "kind": start.kind, "outcome": outcome,
        "headline": f"{done} version {entry.version}: {entry.why}.", "started_at": start.started_at, "finished_at": at,
        "rows": 0, "degraded": False, "drifted": False, "retrained": False, "quality": None,
        "champion_version": entry.version, "report": None, "drift_alpha": 0.0, "quality_alpha": 0.0,
        "training_minutes": 0.0, "asked_for_labels": False, "stopped": None, "went_on": False,
        "flow_runs": (start.flow_run,),
    })  # fmt: skip
