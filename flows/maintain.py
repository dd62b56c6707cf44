"""The scheduled run: monitor, decide, retrain, gate, release, report."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from flows.ask import ask_for_labels, receive_labels
from flows.go_on import take_up
from flows.monitor import observe
from flows.moving import finish_move
from flows.retrain import retrain_and_release
from infra.object_store import ObjectStore
from infra.workspace import Workspace, open_workspace
from models.contracts import (
    Action,
    Ended,
    HistoryEntry,
    LabelRequest,
    Observation,
    Release,
    RetrainDecision,
    RunReport,
    RunStart,
    Window,
)
from models.spec import ModelSpec, read_spec
from tasks.budget import spend_levels
from tasks.conclusion import conclude, history_entry, require_enough_rows
from tasks.dataset import build_training_set
from tasks.decision import decide
from tasks.events import emit_events
from tasks.ingestion import ingest_window
from tasks.limits import training_budget
from tasks.registry.aliases import require_alias
from tasks.reporting import write_report
from tasks.runs import close_run, open_run, pinned, read_history
from tasks.waiting import Left, find_waiting


@flow(
    name="maintain",
    description="Looks at what came in since the last run; holds, or releases a better model.",
)
def maintain(spec_path: Path, force: bool = False, dry_run: bool = False) -> Ended:
    """One maintenance run. `force` retrains whatever was seen; `dry_run` writes nothing and stops at the decision."""
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec, dry_run=dry_run) as work:
        champion = require_alias(spec.release.alias, store=work.store)
        finish_move(champion.entry, store=work.store)
        start = open_run(spec, "maintain", champion, force=force, store=work.store)
        with pinned(start, store=work.store):
            history = read_history(store=work.store)
            waiting = find_waiting(history, training=spec.training, champion_version=champion.version)
            left = take_up(spec, start, waiting, history, store=work.store)
            if left:
                window = left.seen.window
                report = _go_on(spec, start, champion, left, dry_run=dry_run, store=work.store)
            else:
                window = _read(spec, start, base=str(spec_path.resolve().parent), store=work.store)
                report = _run(spec, start, window, history, waiting, dry_run=dry_run, work=work)
            return Ended(report=report, pages=None) if dry_run else _finish(report, window, work)


def _read(spec: ModelSpec, start: RunStart, *, base: str, store: ObjectStore) -> Window:
    window = ingest_window(
        spec.data, spec.columns, spec.window, start.cursor, run_id=start.run_id, base=base, store=store
    )
    return receive_labels(spec, start, window, store=store)


def _run(
    spec: ModelSpec, start: RunStart, window: Window, history: Sequence[HistoryEntry], waiting: HistoryEntry | None, *,
    dry_run: bool, work: Workspace,
) -> RunReport:  # fmt: skip
    champion, store = start.champion, work.store
    if champion is None or window.waiting or not window.rows:
        return _concluded(start, None, window, store=store)
    levels = spend_levels(history, drift=spec.drift, policy=spec.policy, now=start.started_at)
    seen = observe(spec, start, champion, window, alpha=levels.drift, store=store)
    decision = decide(
        seen.monitoring, seen.drift, history, policy=spec.policy, window_digest=window.table.sha256,
        force=start.force, now=start.started_at, waiting=waiting,
    )  # fmt: skip
    if decision.action is not Action.RETRAIN:
        request = ask_for_labels(spec, start, champion, decision, seen, dry_run=dry_run, work=work)
        return _concluded(start, decision, window, seen, request, store=store)
    training_set = build_training_set(
        seen.validation.kept, champion.manifest.reference, training=spec.training, seed=spec.seed, store=store
    )
    decision = require_enough_rows(decision, training_set, spec.training)
    request = ask_for_labels(spec, start, champion, decision, seen, dry_run=dry_run, work=work)
    if decision.action is not Action.RETRAIN or dry_run:
        return _concluded(start, decision, window, seen, request, store=store)
    budget = training_budget(history, policy=spec.policy, now=start.started_at, force=start.force)
    return retrain_and_release(
        spec, start, champion, decision, seen, training_set, budget=budget, request=request, store=store
    )


def _go_on(
    spec: ModelSpec, start: RunStart, champion: Release, left: Left, *, dry_run: bool, store: ObjectStore
) -> RunReport:
    if dry_run:
        return _concluded(start, left.decision, left.seen.window, left.seen, store=store)
    training_set = build_training_set(
        left.seen.validation.kept, champion.manifest.reference, training=spec.training, seed=spec.seed, store=store
    )
    report = retrain_and_release(
        spec, start, champion, left.decision, left.seen, training_set, budget=left.budget, store=store
    )
    return report.model_copy(update={"went_on_from": left.stopped})


def _concluded(
    start: RunStart, decision: RetrainDecision | None, window: Window, seen: Observation | None = None,
    request: LabelRequest | None = None, *, store: ObjectStore,
) -> RunReport:  # fmt: skip
    return conclude(
        start, decision, window=window, observation=seen, label_request=request, timings=store.timings,
        finished_at=datetime.now(UTC),
    )  # fmt: skip


def _finish(report: RunReport, window: Window, work: Workspace) -> Ended:
    pages = write_report(report, home=work.home, store=work.store)
    emit_events(report, window)
    close_run(history_entry(report, window, pages), store=work.store)
    return Ended(report=report, pages=pages)
