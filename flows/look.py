"""What `monitor` and `maintain` have in common: one window is looked at, and what is to be done about it is decided."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from flows.ask import ask_for_labels, receive_labels
from flows.moving import finish_move, finish_release
from flows.observe import observe
from infra.workspace import Workspace, open_workspace
from models.contracts import (
    Action,
    Asked,
    Attempt,
    Budget,
    Ended,
    HistoryEntry,
    LabelRequest,
    Observation,
    Release,
    RetrainDecision,
    RunReport,
    RunStart,
    Stopped,
    TrainingSet,
    Window,
)
from models.spec import ModelSpec
from tasks.budget import spend_levels
from tasks.conclusion import NOT_TRAINED, conclude, not_trained, require_enough_rows, stop_at_cap
from tasks.dataset import build_training_set
from tasks.decision import decide, may_ask
from tasks.finetuning import why_not_trained
from tasks.history import read_history
from tasks.ingestion import ingest_window
from tasks.limits import training_budget
from tasks.registry.aliases import require_alias
from tasks.registry.versions import weights_of
from tasks.runs import close_run, handled, is_open, open_run, pinned, require_open
from tasks.seal import require_seal
from tasks.waiting import find_waiting
from tasks.written_specs import spec_begun_by

NO_CAP = Budget()


@dataclass(frozen=True)
class Run:
    """A run that has begun."""

    spec: ModelSpec
    spec_path: Path
    start: RunStart
    champion: Release
    history: tuple[HistoryEntry, ...]
    dry_run: bool
    work: Workspace
    released: bool = False
    """It was taken up from a process that had moved the alias already."""

    @property
    def base(self) -> str:
        """What paths in the spec are relative to."""
        return str(self.spec_path.resolve().parent)

    @property
    def waiting(self) -> HistoryEntry | None:
        """The run whose training waits at its cap."""
        return find_waiting(self.history, training=self.spec.training, champion_version=self.champion.version)

    def training_set(self, seen: Observation) -> TrainingSet:
        kept, reference = seen.validation.kept, self.champion.manifest.reference
        return build_training_set(
            kept, reference, training=self.spec.training, seed=self.spec.seed, store=self.work.store
        )


@dataclass(frozen=True)
class Looked:
    """What a window calls for. `training_set` is there where it is training, which may use `budget`."""

    window: Window
    decision: RetrainDecision | None = None
    seen: Observation | None = None
    training_set: TrainingSet | None = None
    budget: Budget = NO_CAP
    request: LabelRequest | None = None
    went_on_from: Stopped | None = None

    def stopped_at(self, cap: Stopped) -> "Looked":
        return replace(self, decision=stop_at_cap(self.decision, cap) if self.decision else None)


@contextmanager
def begun(spec_path: Path, spec: ModelSpec, *, force: bool, dry_run: bool) -> Iterator[Run]:
    """The run that was interrupted or left open, or else a new one. One that had released ends by its own spec."""
    with open_workspace(spec_path, spec, dry_run=dry_run) as work:
        champion = require_alias(spec.release.alias, store=work.store)
        finish_move(champion.entry, tell=not dry_run, store=work.store)
        mover = champion.entry.run_id
        if not is_open(mover, store=work.store):
            finish_release(champion.entry, tell=not dry_run, store=work.store)
        start = open_run(spec, "maintain", champion, force=force, mover=mover, store=work.store)
        spec = spec_begun_by(start, spec)
        history = read_history(store=work.store)
        with pinned(start, mover=mover, store=work.store):
            was = start.champion or champion
            require_seal(was, spec.training)
            yield Run(spec, spec_path, start, was, history, dry_run, work, released=start.run_id == mover)


def read_window(run: Run) -> Window:
    """The rows that came since the last run, and the labels that people gave."""
    spec, start, store = run.spec, run.start, run.work.store
    window = ingest_window(
        spec.data, spec.columns, spec.window, start.cursor,
        run_id=start.run_id, base=run.base, store=store,
    )  # fmt: skip
    return receive_labels(spec, start, window, history=run.history, store=store)


def look(run: Run, window: Window) -> Looked:
    spec, start, history = run.spec, run.start, run.history
    if window.waiting or not window.rows:
        return Looked(window)
    levels = spend_levels(history, drift=spec.drift, policy=spec.policy, now=start.started_at)
    seen = observe(spec, start, run.champion, window, alpha=levels.drift, base=run.base, work=run.work)
    decision = decide(
        seen.monitoring, seen.drift, history, policy=spec.policy, window_digest=window.table.sha256,
        force=start.force, now=start.started_at, waiting=run.waiting, new_classes=seen.validation.new_classes,
    )  # fmt: skip
    looked = Looked(window, decision, seen)
    if decision.action is Action.RETRAIN:
        looked = _prepared(run, looked, seen, decision)
        decision = looked.decision or decision
    request = ask_for_labels(spec, start, run.champion, decision, seen, dry_run=run.dry_run, work=run.work)
    return replace(looked, request=request)


def _prepared(run: Run, looked: Looked, seen: Observation, decision: RetrainDecision) -> Looked:
    """With the rows to train on, unless they are too few, and the minutes that it may take."""
    weights = weights_of(run.champion.manifest, store=run.work.store)
    why_not = why_not_trained(run.spec.kind, weights, store=run.work.store)
    if why_not:
        return replace(looked, decision=not_trained(decision, NOT_TRAINED + why_not))
    training_set, policy, start = run.training_set(seen), run.spec.policy, run.start
    asking = may_ask(run.history, policy=policy, now=start.started_at)
    decision = require_enough_rows(decision, training_set, run.spec.training, may_ask=asking)
    if decision.action is not Action.RETRAIN:
        return replace(looked, decision=decision)
    budget = training_budget(run.history, policy=policy, now=start.started_at, force=start.force)
    return replace(looked, decision=decision, training_set=training_set, budget=budget)


def report_on(
    run: Run, looked: Looked, attempt: Attempt | None = None, release: Release | None = None,
    stopped: Stopped | None = None, asked: Asked | None = None,
) -> RunReport:  # fmt: skip
    report = conclude(
        run.start, looked.decision, window=looked.window, observation=looked.seen, attempt=attempt, release=release,
        label_request=looked.request, asked=asked, timings=run.work.store.timings,
        finished_at=datetime.now(UTC),
    )  # fmt: skip
    return report.model_copy(update={"went_on_from": looked.went_on_from, "stopped": stopped})


def finished_by_another(run: Run) -> Ended | None:
    """What to say where a process on another machine has taken this run up, as if it had died, and has finished it."""
    done = require_open(run.start, store=run.work.store)
    return Ended(report=handled(done, model=run.spec.name), pages=None) if done else None


def close(run: Run, report: RunReport, entry: HistoryEntry) -> Ended:
    """The run's last write. Where another process has finished this run first, what that one says counts."""
    closed = close_run(entry, store=run.work.store)
    if closed.report != entry.report:
        return Ended(report=handled(closed, model=run.spec.name), pages=None)
    return Ended(report=report, pages=closed.report)
