"""What a run leaves behind for whoever comes where it dies: its opening record, and what the history is to know of it
(`tasks/runs.py`)."""

from typing import TypeVar

from infra.object_store import ObjectStore
from infra.stored_records import parsed
from models.contracts import HistoryEntry, Outcome, Record, RunStart
from tasks.history import read_history

R = TypeVar("R", bound=Record)

MOVES = {"promote", "rollback"}
NAMED = {"bootstrap", *MOVES}
"""Another may open before these end, and what they had moved is not told yet."""


def read_opened(store: ObjectStore) -> RunStart | None:
    return _read(RunStart, store.keys.open_run, store)


def open_run_of(*, store: ObjectStore) -> RunStart | None:
    """The run that is under way or was interrupted."""
    history = read_history(store=store, limit=1)
    start = read_opened(store)
    return start if start and (not history or start.sequence > history[0].sequence) else None


def mover_of(run_id: str, store: ObjectStore) -> RunStart | None:
    """The promotion or rollback that has moved an alias under this name."""
    found = _read(RunStart, store.keys.opened(run_id), store)
    return found if found and found.kind in MOVES else None


def begun_as_first(run_id: str, store: ObjectStore) -> RunStart | None:
    """The bootstrap that has moved the alias under this name."""
    found = _read(RunStart, store.keys.opened(run_id), store) if run_id else None
    return found if found and found.kind == "bootstrap" else None


def store_opened(start: RunStart, store: ObjectStore) -> RunStart:
    """Of some also under their own name (`NAMED`)."""
    if start.kind in NAMED:
        store.put_bytes(store.keys.opened(start.run_id), start.model_dump_json().encode())
    store.put_bytes(store.keys.open_run, start.model_dump_json().encode())
    return start


def owe(entry: HistoryEntry, store: ObjectStore) -> None:
    """To be called before the run tells what it leaves open, and right before it moves the alias."""
    store.put_bytes(store.keys.owed(entry.run_id), entry.model_dump_json().encode())


def owed_by(run_id: str, store: ObjectStore) -> HistoryEntry | None:
    return _read(HistoryEntry, store.keys.owed(run_id), store)


def left_unread(start: RunStart, store: ObjectStore) -> HistoryEntry | None:
    """What the history is to know of a run in whose place another comes: what it spent, if it told anything. It says nothing of
    the champion, and its rows are still to be read."""
    owed = owed_by(start.run_id, store)
    if owed is None or owed.outcome is Outcome.WAITING:
        return None
    return owed.model_copy(update={
        "outcome": Outcome.WOULD_RETRAIN if owed.outcome is Outcome.RELEASED else owed.outcome,  # it was about to release
        "headline": f"{owed.headline} Another run took its place and reads its rows again.",
        "window_digest": "", "rows": 0, "degraded": False, "drifted": False, "retrained": False, "stopped": None,
        "cursor": start.cursor, "report": None, "unread": True,
    })  # fmt: skip


def drop_opened(run_id: str, store: ObjectStore) -> None:
    """That of this run, and of no other that opened since."""
    opened = read_opened(store)
    if opened and opened.run_id == run_id:
        store.delete(store.keys.open_run)


def _read(kind: type[R], key: str, store: ObjectStore) -> R | None:
    data = store.find_bytes(key)
    return None if data is None else parsed(kind, data, uri=store.uri(key))
