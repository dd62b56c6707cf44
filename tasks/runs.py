"""A run's first and last write: what it is pinned to, and the history entry that commits its cursor.

A run that was killed left its opening record behind; the next one takes it up, with the same champion, the
same cursor and so the same stages, until the history holds its entry.
"""

import contextlib
import hashlib
import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import DataError, KeyTaken, MissingObject, ModelError, StoreError, UnmeasuredMetric
from infra.object_store import ObjectStore
from models.contracts import (
    AliasEntry,
    Candidate,
    Cursor,
    Handled,
    HistoryEntry,
    Lineage,
    Release,
    RunReport,
    RunStart,
    TrainingSet,
    Window,
)
from models.spec import ModelSpec

PACKAGES = ("llm-upkeep", "torch", "transformers", "evidently", "prefect", "datasets", "pandas", "numpy")


@task(name="open run", cache_policy=NO_CACHE)
def open_run(
    spec: ModelSpec,
    kind: Literal["bootstrap", "maintain", "promote", "rollback"],
    champion: Release | None,
    *,
    force: bool,
    store: ObjectStore,
) -> RunStart:
    """A new run, or the one that was interrupted: it goes on as it began, if the spec is the same."""
    history = read_history(store=store, limit=1)
    sequence = history[0].sequence + 1 if history else 1
    interrupted = _interrupted(store)
    if interrupted and interrupted.sequence == sequence and _same(interrupted, spec, kind, force):
        return interrupted
    started = datetime.now(UTC)
    start = RunStart(
        run_id=f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}", kind=kind, model=spec.name,
        spec_digest=spec.digest, started_at=started, sequence=sequence, force=force,
        cursor=history[0].cursor if history else Cursor(), champion=champion,
    )  # fmt: skip
    store.put_bytes(store.keys.open_run, start.model_dump_json().encode())
    return start


def _same(start: RunStart, spec: ModelSpec, kind: str, force: bool) -> bool:
    return start.spec_digest == spec.digest and start.kind == kind and start.force == force


def _interrupted(store: ObjectStore) -> RunStart | None:
    try:
        return RunStart.model_validate_json(store.get_bytes(store.keys.open_run))
    except MissingObject:
        return None


@contextlib.contextmanager
def pinned(start: RunStart, *, store: ObjectStore) -> Iterator[RunStart]:
    """A run that dies is taken up again as it began; one whose data or model was refused is not, so that the
    next run looks at what was mended."""
    try:
        yield start
    except (DataError, ModelError, UnmeasuredMetric):
        store.delete(store.keys.open_run)
        raise


@task(name="close run", cache_policy=NO_CACHE)
def close_run(entry: HistoryEntry, *, store: ObjectStore) -> HistoryEntry:
    """Commits the run: one conditional write, after which its rows count as read. Closing it again does nothing."""
    key = store.keys.finished(entry.sequence)
    try:
        store.put_bytes(key, entry.model_dump_json(indent=1).encode(), if_absent=True)
    except KeyTaken as problem:
        written = HistoryEntry.model_validate_json(store.get_bytes(key))
        if written.run_id == entry.run_id:  # by a try whose answer was lost, or by the run that took this one up
            return written
        raise StoreError(f"another run of {store.uri('')} finished as number {entry.sequence} in the meantime; "
                         "its result stands, this one's rows will be looked at again by the next run") from problem  # fmt: skip
    _drop_open(entry.run_id, store)
    return entry


def _drop_open(run_id: str, store: ObjectStore) -> None:
    opened = _interrupted(store)
    if opened and opened.run_id == run_id:
        store.delete(store.keys.open_run)


def forget_run(start: RunStart, *, store: ObjectStore) -> None:
    """A run that found nothing to look at leaves no trace."""
    _drop_open(start.run_id, store)


def find_handled(window_digest: str, *, model: str, store: ObjectStore) -> Handled | None:
    """The run that has looked at a window, where one has."""
    done = next(
        (e for e in read_history(store=store) if e.kind == "maintain" and e.window_digest == window_digest), None
    )
    return (
        Handled(model=model, window_digest=window_digest, run_id=done.run_id, headline=done.headline) if done else None
    )


def read_history(*, store: ObjectStore, limit: int | None = None) -> tuple[HistoryEntry, ...]:
    """Finished runs, newest first."""
    keys = store.list_keys(store.keys.history, limit=limit)
    return tuple(HistoryEntry.model_validate_json(store.get_bytes(key)) for key in keys)


def read_reports(history: Sequence[HistoryEntry], *, store: ObjectStore) -> dict[str, RunReport]:
    """The stored reports of maintenance runs, by run id; a run whose report is no longer there is left out."""
    found = {}
    for entry in history:
        if entry.kind == "maintain" and entry.report:
            with contextlib.suppress(MissingObject):
                path = store.get_file(entry.report.json_)
                found[entry.run_id] = RunReport.model_validate_json(path.read_bytes())
    return found


def cursor_of(run_id: str, *, store: ObjectStore) -> Cursor:
    """What had been read when a run ended; nothing, where the history has no such run."""
    return next((entry.cursor for entry in read_history(store=store) if entry.run_id == run_id), Cursor())


def open_run_of(*, store: ObjectStore) -> RunStart | None:
    """The run that is under way or was interrupted."""
    history = read_history(store=store, limit=1)
    start = _interrupted(store)
    return start if start and (not history or start.sequence > history[0].sequence) else None


def unfinished_move(current: AliasEntry, *, store: ObjectStore) -> RunStart | None:
    """The open run, where it is a promotion or a rollback that wrote this entry and has none in the history yet."""
    start = _interrupted(store)
    if start is None or start.kind not in {"promote", "rollback"} or start.run_id != current.run_id:
        return None
    return None if any(entry.run_id == start.run_id for entry in read_history(store=store)) else start


def trace_lineage(
    spec: ModelSpec, start: RunStart, window: Window, training_set: TrainingSet, candidate: Candidate
) -> Lineage:
    """Where a version comes from, enough to make it again."""
    parent = f"version {candidate.parent}" if candidate.parent else spec.model.described
    return Lineage(
        run_id=start.run_id, spec=json.dumps(spec.model_dump(mode="json")), spec_digest=spec.digest, source=parent,
        window_digest=window.table.sha256, training_digest=_digest(training_set), recipe=candidate.recipe,
        packages={name: version(name) for name in PACKAGES}, git_commit=_git_commit(), seed=spec.seed,
    )  # fmt: skip


def _digest(training_set: TrainingSet) -> str:
    parts: Sequence[str] = (
        training_set.train.sha256,
        training_set.validation.sha256,
        training_set.test.sha256,
    )
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def _git_commit() -> str:
    """The commit of Upkeep's own checkout; 'unknown' where it is installed without one."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"})
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
