"""The opening record of the run that is under way or was interrupted (`tasks/runs.py`)."""

from errors import MissingObject
from infra.object_store import ObjectStore
from infra.stored_records import parsed
from models.contracts import RunStart

MOVES = {"promote", "rollback"}


def read_opened(store: ObjectStore) -> RunStart | None:
    return _read(store.keys.open_run, store)


def left_open(sequence: int, mover: str, store: ObjectStore) -> RunStart | None:
    """The run of this number that was interrupted. Of a promotion or a rollback that moved nothing: the one in whose place it
    came, if that had released (`mover`: the run that moved the alias last)."""
    found = read_opened(store)
    if found and found.kind in MOVES and mover:
        found = _read(store.keys.opened(mover), store) or found
    return found if found and found.sequence == sequence else None


def mover_of(run_id: str, store: ObjectStore) -> RunStart | None:
    """The promotion or rollback that has moved an alias under this name."""
    found = _read(store.keys.opened(run_id), store) or read_opened(store)  # earlier versions of Upkeep wrote only that
    return found if found and found.run_id == run_id and found.kind in MOVES else None


def store_opened(start: RunStart, store: ObjectStore) -> RunStart:
    """Of a promotion or rollback also under its own name: another may open before it ends."""
    if start.kind in MOVES:
        set_aside(start, store)
    store.put_bytes(store.keys.open_run, start.model_dump_json().encode())
    return start


def set_aside(start: RunStart, store: ObjectStore) -> None:
    store.put_bytes(store.keys.opened(start.run_id), start.model_dump_json().encode())


def drop_opened(run_id: str, store: ObjectStore) -> None:
    """That of this run, and of no other that opened since."""
    opened = read_opened(store)
    if opened and opened.run_id == run_id:
        store.delete(store.keys.open_run)


def _read(key: str, store: ObjectStore) -> RunStart | None:
    try:
        return parsed(RunStart, store.get_bytes(key), uri=store.uri(key))
    except MissingObject:
        return None
