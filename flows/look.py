"""What `monitor` and `maintain` have in common: one window is looked at, and what is to be done about it is decided."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.ask import ask_for_labels, receive_labels
from flows.moving import finish_move
from flows.observe import observe
from infra.workspace import Workspace, open_workspace
from models.contracts import (
    Action,
    Attempt,
    LabelRequest,
    Observation,
    Release,
    RetrainDecision,
    RunReport,
    RunStart,
    TrainingSet,
    Window,
)
from models.spec import ModelSpec
from tasks.budget import spend_levels
from tasks.conclusion import conclude, require_enough_rows
from tasks.dataset import build_training_set
from tasks.decision import decide
from tasks.ingestion import ingest_window
from tasks.registry.aliases import require_alias
from tasks.runs import open_run, pinned, read_history


@dataclass(frozen=True)
class Run:
    """A run that has begun: its window is read, and nothing was made of it yet."""

    spec: ModelSpec
    start: RunStart
    champion: Release
    window: Window
    dry_run: bool
    work: Workspace


@dataclass(frozen=True)
class Looked:
    """What a window calls for. `training_set` is there where it is training."""

    decision: RetrainDecision | None = None
    seen: Observation | None = None
    training_set: TrainingSet | None = None
    request: LabelRequest | None = None


@contextmanager
def begun(spec_path: Path, spec: ModelSpec, *, force: bool, dry_run: bool) -> Iterator[Run]:
    """The run that was interrupted or left open, or else a new one, on the rows that came since the last."""
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
            yield Run(spec, start, start.champion or champion, window, dry_run, work)


def look(run: Run) -> Looked:
    spec, start, champion, window, store = run.spec, run.start, run.champion, run.window, run.work.store
    if window.waiting or not window.rows:
        return Looked()
    history = read_history(store=store)
    levels = spend_levels(history, drift=spec.drift, policy=spec.policy, now=start.started_at)
    seen = observe(spec, start, champion, window, alpha=levels.drift, work=run.work)
    decision = decide(
        seen.monitoring, seen.drift, history,
        policy=spec.policy, window_digest=window.table.sha256, force=start.force, now=start.started_at,
    )  # fmt: skip
    training_set = None
    if decision.action is Action.RETRAIN:
        training_set = build_training_set(
            seen.validation.kept, champion.manifest.reference, training=spec.training, seed=spec.seed, store=store
        )
        decision = require_enough_rows(decision, training_set, spec.training)
    request = ask_for_labels(spec, start, champion, decision, seen, dry_run=run.dry_run, work=run.work)
    return Looked(decision, seen, training_set if decision.action is Action.RETRAIN else None, request)


def report_on(run: Run, looked: Looked, attempt: Attempt | None = None, release: Release | None = None) -> RunReport:
    return conclude(
        run.start, looked.decision, window=run.window, observation=looked.seen, attempt=attempt, release=release,
        label_request=looked.request, timings=run.work.store.timings, finished_at=datetime.now(UTC),
    )  # fmt: skip
