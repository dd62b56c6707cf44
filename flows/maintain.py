"""The scheduled run: monitor, decide, retrain, gate, release, report."""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from flows.approve import ask_for_approval
from flows.ask import ask_for_labels, receive_labels
from flows.monitor import observe
from flows.moving import finish_move
from flows.promote import publish_challenger, release_challenger
from flows.retrain import retrain
from infra.object_store import ObjectStore
from infra.workspace import Workspace, open_workspace
from models.contracts import (
    Action,
    Asked,
    Attempt,
    Ended,
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
from tasks.registry.aliases import require_alias
from tasks.reporting import write_report
from tasks.runs import close_run, open_run, pinned, read_history


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
            window = ingest_window(
                spec.data, spec.columns, spec.window, start.cursor,
                run_id=start.run_id, base=str(spec_path.resolve().parent), store=work.store,
            )  # fmt: skip
            window = receive_labels(spec, start, window, store=work.store)
            report = _run(spec, start, window, dry_run=dry_run, work=work)
            return Ended(report=report, pages=None) if dry_run else _finish(report, window, work)


def _run(spec: ModelSpec, start: RunStart, window: Window, *, dry_run: bool, work: Workspace) -> RunReport:
    champion, store = start.champion, work.store
    if champion is None or window.waiting or not window.rows:
        return _concluded(start, None, window, store=store)
    history = read_history(store=store)
    levels = spend_levels(history, drift=spec.drift, policy=spec.policy, now=start.started_at)
    seen = observe(spec, start, champion, window, alpha=levels.drift, store=store)
    decision = decide(
        seen.monitoring, seen.drift, history,
        policy=spec.policy, window_digest=window.table.sha256, force=start.force, now=start.started_at,
    )  # fmt: skip
    if decision.action is not Action.RETRAIN:
        request = ask_for_labels(spec, start, champion, decision, seen, dry_run=dry_run, work=work)
        return _concluded(start, decision, window, seen, request=request, store=store)
    training_set = build_training_set(
        seen.validation.kept, champion.manifest.reference, training=spec.training, seed=spec.seed, store=store
    )
    decision = require_enough_rows(decision, training_set, spec.training)
    request = ask_for_labels(spec, start, champion, decision, seen, dry_run=dry_run, work=work)
    if decision.action is not Action.RETRAIN or dry_run:
        return _concluded(start, decision, window, seen, request=request, store=store)
    attempt = retrain(spec, champion, training_set, store=store)
    challenger = publish_challenger(spec, start, champion, seen, attempt, store=store)
    asked = ask_for_approval(spec, start, champion, attempt, challenger, store=store)
    release = release_challenger(spec, start, champion, attempt, challenger, store=store)
    return _concluded(start, decision, window, seen, attempt, release, request, asked, store=store)


def _concluded(
    start: RunStart, decision: RetrainDecision | None, window: Window, seen: Observation | None = None,
    attempt: Attempt | None = None, release: Release | None = None, request: LabelRequest | None = None,
    asked: Asked | None = None, *, store: ObjectStore,
) -> RunReport:  # fmt: skip
    return conclude(
        start, decision, window=window, observation=seen, attempt=attempt, release=release, label_request=request,
        asked=asked, timings=store.timings, finished_at=datetime.now(UTC),
    )  # fmt: skip


def _finish(report: RunReport, window: Window, work: Workspace) -> Ended:
    pages = write_report(report, home=work.home, store=work.store)
    emit_events(report, window)
    close_run(history_entry(report, window, pages), store=work.store)
    return Ended(report=report, pages=pages)
