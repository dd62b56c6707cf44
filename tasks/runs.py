"""A run's first and last write: what it is pinned to, and the history entry that commits its cursor.

A run that was killed left its opening record behind; the next one takes it up, with the same champion, the
same cursor and so the same stages, until the history holds its entry.
"""

import contextlib
import logging
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import DataError, KeyTaken, MissingObject, ModelError, SpecError, UnmeasuredMetric
from infra.flow_run import is_started_again, this_flow_run
from infra.object_store import ObjectStore
from infra.sealed import sealed
from models.contracts import AliasEntry, Cursor, Handled, HistoryEntry, Release, RunStart
from models.spec import ModelSpec
from tasks.history import chained, entry_at, is_finished, last_run, read_history
from tasks.opened import MOVES, begun_as_first, drop_opened, left_unread, mover_of, owed_by, read_opened, store_opened
from tasks.written_specs import written

logger = logging.getLogger(__name__)


@task(name="open run", cache_policy=NO_CACHE)
def open_run(
    spec: ModelSpec, kind: Literal["bootstrap", "maintain", "promote", "rollback"], champion: Release | None, *,
    force: bool, mover: str = "", store: ObjectStore,
) -> RunStart:  # fmt: skip
    """A new run, or the one that was interrupted: it goes on as it began, if the spec is the same. So does one that had
    released (`mover`: the run that moved the alias last), whatever the spec says by now: begun anew, its rows would be
    read again, to judge a model that was trained on them."""
    history = read_history(store=store, limit=1)
    sequence = history[0].sequence + 1 if history else 1
    interrupted = read_opened(store) if history else begun_as_first(mover, store) or read_opened(store)
    if interrupted and interrupted.sequence == sequence:
        if interrupted.run_id == mover and not (interrupted.kind == "maintain" and kind in MOVES):
            return _released(interrupted, kind)
        if _same(interrupted, spec, kind, champion, force):
            return interrupted
        sequence += _charged(interrupted, store)
    started = datetime.now(UTC)
    start = RunStart(
        run_id=f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}", kind=kind, model=spec.name,
        spec_digest=spec.digest, started_at=started, sequence=sequence, force=force,
        cursor=history[0].cursor if history else Cursor(), champion=champion,
        flow_run=this_flow_run(), spec=written(spec),
    )  # fmt: skip
    return store_opened(start, store)


def _charged(start: RunStart, store: ObjectStore) -> bool:
    """Whether the run in whose place another comes has an entry now: it had told what it saw, and what its tests spent counts."""
    entry = left_unread(start, store)
    if entry:
        close_run.fn(entry, own=False, store=store)
    return entry is not None


def _same(start: RunStart, spec: ModelSpec, kind: str, champion: Release | None, force: bool) -> bool:
    """Never of a promotion or a rollback: what is open may be another's, at this very moment, and who moves an alias may move on
    from its own. Nor where the champion is another by now: what the run would train could not be released."""
    asked = (start.spec_digest, start.kind, start.force) == (spec.digest, kind, force)
    return kind not in MOVES and asked and _entry(start.champion) == _entry(champion)


def _entry(champion: Release | None) -> AliasEntry | None:
    return champion.entry if champion else None


def _released(start: RunStart, kind: str) -> RunStart:
    if start.kind != kind:
        raise SpecError(f"the {start.kind} {start.run_id} has released a version and was interrupted before its end; "
                        f"`upkeep {'run' if start.kind == 'maintain' else start.kind} SPEC` finishes it, and comes first")  # fmt: skip
    return start


@contextlib.contextmanager
def pinned(start: RunStart, *, mover: str, store: ObjectStore) -> Iterator[RunStart]:
    """A run that dies is taken up again as it began; one whose data or model was refused is not, so that the
    next run looks at what was mended. One that had released (`mover`, as above) is, whatever was refused: it is finished
    once that was mended."""
    try:
        yield start
    except (DataError, ModelError, UnmeasuredMetric):
        if start.run_id != mover:
            drop_opened(start.run_id, store)
        raise


@task(name="close run", cache_policy=NO_CACHE)
def close_run(entry: HistoryEntry, *, own: bool = True, store: ObjectStore) -> HistoryEntry:
    """Commits the run: one conditional write, after which its rows count as read. Closing it again does nothing. `own`: it is
    what this Prefect run was asked for, which is done with that, and not what another had left behind."""
    key = store.keys.finished(entry.sequence)
    worked = filter(None, (*entry.flow_runs, this_flow_run() if own else ""))
    entry = entry.model_copy(update={"flow_runs": tuple(dict.fromkeys(worked))})
    entry = chained(entry, store=store)
    try:
        store.put_bytes(key, sealed(entry), if_absent=True)
    except KeyTaken as problem:
        written = entry_at(key, store.get_bytes(key), store=store)
        if written.run_id == entry.run_id:  # by a try whose answer was lost, or by the run that took this one up
            return written
        raise _overtaken(written, store) from problem
    drop_opened(entry.run_id, store)
    return entry


def require_open(start: RunStart, *, releasing: int | None = None, store: ObjectStore) -> HistoryEntry | None:
    """KeyTaken where another run has taken this one's number meanwhile: what this one would release or tell is in no history.
    The entry of a run that another process has taken up and finished; it may go on to the version that was released."""
    key = store.keys.finished(start.sequence)
    try:
        done = entry_at(key, store.get_bytes(key), store=store)
    except MissingObject:
        return None
    if done.run_id != start.run_id or releasing not in {None, done.champion_version}:
        raise _overtaken(done, store)
    return done


def _overtaken(done: HistoryEntry, store: ObjectStore) -> KeyTaken:
    return KeyTaken(f"another run of {store.uri('')} finished as number {done.sequence} in the meantime ({done.run_id}); its result "
                    "stands, and rows that it did not read will be looked at by the next run")  # fmt: skip


def find_done(*, store: ObjectStore) -> HistoryEntry | None:
    """What this Prefect run had finished before it was started again: its process died behind its last write, or was
    only thought to be dead. There is nothing left to do; a rollback that began anew would go back once more."""
    if not is_started_again():
        return None
    mine = this_flow_run()
    done = next((entry for entry in read_history(store=store) if mine in entry.flow_runs), None)
    if done:
        logger.warning("this run had ended before it was started again, as %s: %s Nothing is done twice; a new run looks "
                       "at what came since", done.run_id, done.headline)  # fmt: skip
    return done


def find_handled(window_digest: str | None, *, model: str, store: ObjectStore) -> Handled | None:
    """The run that has looked at a window, where one has; or this one, where it was started again after its end."""
    done = find_done(store=store) or _find_look(window_digest, store)
    return handled(done, model=model) if done else None


def handled(done: HistoryEntry, *, model: str) -> Handled:
    return Handled(
        model=model, window_digest=done.window_digest, run_id=done.run_id, outcome=done.outcome, headline=done.headline
    )


def _find_look(window_digest: str | None, store: ObjectStore) -> HistoryEntry | None:
    looks = (entry for entry in read_history(store=store) if entry.kind == "maintain")
    return next((entry for entry in looks if entry.window_digest == window_digest), None)


def is_open(run_id: str, *, store: ObjectStore) -> bool:
    start = read_opened(store)
    return start is not None and start.run_id == run_id


def unfinished_move(current: AliasEntry, *, store: ObjectStore) -> tuple[RunStart, HistoryEntry] | None:
    """The promotion or rollback that wrote this entry, where it has none in the history yet (others may have opened since), and
    the run behind which that is to come. Looked up in this order: who ends the move meanwhile takes the number behind that run."""
    start = mover_of(current.run_id, store)
    if start is None:
        return None
    last = last_run(store=store)
    return None if is_finished(start.run_id, start.sequence, store=store) else (start, last)


def unfinished_release(current: AliasEntry, *, store: ObjectStore) -> HistoryEntry | None:
    """What the history is to know of the maintenance run that wrote this entry, where it has none yet. Where another has taken
    its number, it comes behind that, and the rows up to which that one read count as read. Looked up in the same order."""
    owed = owed_by(current.run_id, store)
    if owed is None:
        return None
    last = last_run(store=store)
    if is_finished(owed.run_id, owed.sequence, store=store):
        return None
    behind = {"sequence": last.sequence + 1, "cursor": last.cursor}
    return owed if owed.sequence > last.sequence else owed.model_copy(update=behind)
