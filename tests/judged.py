"""Records that a decision is made of, by hand: what a run measured, and the runs before it."""

from datetime import UTC, datetime, timedelta

from models.contracts import (
    Artifact,
    Attempt,
    Cursor,
    DriftReport,
    DriftSignal,
    Estimate,
    EvidentlyVerdict,
    HistoryEntry,
    LeakReport,
    MonitoringReport,
    Observation,
    Outcome,
    QualityCheck,
    RetrainDecision,
    RunReport,
    RunStart,
    Scores,
    Table,
    TrainingSet,
    ValidationReport,
    Window,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
FILE = Artifact(uri="", sha256="", bytes=0)
QUIET = EvidentlyVerdict(drifted=False, share=0.0, method="", because="")


def estimate(value: float, n: int) -> Estimate:
    return Estimate(value=value, low=value - 0.02, high=value + 0.02, n=n, method="test")


def monitored(*, drop: float = 0.0, p: float = 0.5, labelled: int = 400, rows: int = 500) -> MonitoringReport:
    check = QualityCheck(metric="accuracy", now=estimate(0.97 - drop, labelled), at_release=estimate(0.97, 400),
                         p_value=p, test="test")  # fmt: skip
    return MonitoringReport(rows=rows, labelled=labelled, quality=(check,) if labelled else (), confidence=0.9,
                            confidence_at_release=0.9, shares=(), latency_ms=None, served_agreement=None)  # fmt: skip


def drift(*moved: str, p: float = 1e-9, alpha: float = 0.01) -> DriftReport:
    """Four signals that share alpha alike; those named have moved by 0.3."""
    signals = tuple(
        DriftSignal(name=name, family="text", method="KS", statistic=0.3, p_value=p if name in moved else 0.4,
                    threshold=alpha / 4, effect=0.3, effect_name="largest gap", floor=0.06, detail="")
        for name in ("embeddings", "words", "characters", "confidence")
    )  # fmt: skip
    return DriftReport(signals=signals, alpha=alpha, correction="", reference_rows=1000, current_rows=500,
                       compared_rows=500, evidently_html=FILE, evidently_share=0.0,
                       notes=(), evidently_default=QUIET, evidently_snapshot=FILE)  # fmt: skip


def entry(
    days_ago: float, *, kind: str = "maintain", outcome: Outcome = Outcome.HELD, **changes: object
) -> HistoryEntry:
    at = NOW - timedelta(days=days_ago)
    return HistoryEntry.model_validate({
        "sequence": 1, "run_id": "r", "kind": kind, "outcome": outcome, "headline": "", "started_at": at,
        "finished_at": at, "window_digest": "", "rows": 500, "degraded": False, "drifted": False,
        "retrained": False, "quality": None, "metric": "accuracy", "champion_version": 1, "cursor": Cursor(), "report": None, "training_minutes": 0.0,
        "flow_runs": (), **changes,
    })  # fmt: skip


def retrained(days_ago: float, *, minutes: float = 0.0, **changes: object) -> HistoryEntry:
    return entry(days_ago, outcome=Outcome.REJECTED, retrained=True, training_minutes=minutes, **changes)


def bootstrapped(days_ago: float) -> HistoryEntry:
    return entry(days_ago, kind="bootstrap", outcome=Outcome.BOOTSTRAPPED)


BAD, FINE, UNLABELLED = monitored(drop=0.273, p=3e-12), monitored(), monitored(labelled=0)
BOOTSTRAP = bootstrapped(30)


def reported(
    run: HistoryEntry, monitoring: MonitoringReport, found: DriftReport, decision: RetrainDecision, *,
    force: bool = False, new_rows: int | None = None,
) -> RunReport:  # fmt: skip
    """The stored report of a run; with `new_rows` it has trained on so many."""
    table = Table(uri="", sha256=run.window_digest, bytes=0, rows=run.rows)
    start = RunStart(run_id=run.run_id, kind="maintain", model="test", spec_digest="", started_at=run.started_at,
                     sequence=run.sequence, force=force, cursor=Cursor(), champion=None, flow_run="", spec="")  # fmt: skip
    scores = Scores(model_digest="", arrays=FILE, rows=run.rows, seconds=0, device="cpu")
    observation = Observation(
        window=Window(table=table, first_at=None, last_at=None, cursor=Cursor(), waiting=False, read_at=NOW),
        validation=ValidationReport(kept=table, quarantined=table, reasons=(), labelled=0, notes=()),
        scores=scores, baseline_scores=scores, monitoring=monitoring, drift=found,
    )  # fmt: skip
    attempt = None
    if new_rows is not None:
        leaks = LeakReport(near=0, examples=())
        training_set = TrainingSet(train=table, validation=table, test=table, reference_test=table, new_rows=new_rows,
                                   replayed_rows=0, leaks=leaks)  # fmt: skip
        attempt = Attempt.model_construct(training_set=training_set)
    return RunReport(start=start, outcome=run.outcome, headline="", observation=observation, decision=decision,
                     attempt=attempt, release=None, stages=(), finished_at=run.finished_at)  # fmt: skip
