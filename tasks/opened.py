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
        found = _read(store.keys.released(mover), store) or found
    return found if found and found.sequence == sequence else None


def store_opened(start: RunStart, store: ObjectStore) -> RunStart:
    store.put_bytes(store.keys.open_run, start.model_dump_json().encode())
    return start


def set_aside(released: RunStart, store: ObjectStore) -> None:
    """Of a run that had released, for a promotion or a rollback that may die before it moves anything."""
    store.put_bytes(store.keys.released(released.run_id), released.model_dump_json().encode())


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
