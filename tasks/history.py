"""The finished runs of a model: a chain of sealed entries, each with the hash of the one before. What later runs may spend
(false alarms, minutes of training) and where they begin to read hangs on it."""

import contextlib
from collections.abc import Iterator, Sequence

from errors import CorruptObject, MissingObject, StoreError
from infra.files import sha256_of_bytes
from infra.keys import RECORD
from infra.object_store import ObjectStore
from infra.sealed import unsealed
from models.contracts import Cursor, HistoryEntry, Misfit, RunReport


def read_history(*, store: ObjectStore, limit: int | None = None) -> tuple[HistoryEntry, ...]:
    """Finished runs, newest first."""
    keys = store.list_keys(store.keys.history, limit=limit, named=RECORD)
    found = zip(keys, store.get_each(keys), strict=True)
    return tuple(entry_at(key, data, store=store) for key, data in found)


def last_run(*, store: ObjectStore) -> HistoryEntry:
    """To be asked of a model that has a champion, which some run has made."""
    for entry in read_history(store=store, limit=1):
        return entry
    raise StoreError(f"{store.uri(store.keys.history)} holds no run, although an alias names a version: the history was deleted. "
                     "Restore it from a copy or older object versions; until then no alias is moved, since the next run would "
                     "read all rows again.")  # fmt: skip


def entry_at(key: str, data: bytes, *, store: ObjectStore) -> HistoryEntry:
    """What lies under a key, if it is the entry that belongs there."""
    entry = unsealed(HistoryEntry, data, uri=store.uri(key))
    if key != store.keys.finished(entry.sequence):
        raise CorruptObject(f"{store.uri(key)} is the entry of run number {entry.sequence}: it was copied there. Nothing was done. "
                            "Restore the object from an older object version or, if there was none before, delete it.")  # fmt: skip
    return entry


def chained(entry: HistoryEntry, *, store: ObjectStore) -> HistoryEntry:
    """The entry with the hash of the one before, as it lies in the store."""
    before = store.find_bytes(store.keys.finished(entry.sequence - 1)) if entry.sequence > 1 else None
    # Where it is gone, the audit tells of the gap.
    return entry.model_copy(update={"previous_entry_sha256": None if before is None else sha256_of_bytes(before)})


def check_history(*, store: ObjectStore) -> tuple[tuple[HistoryEntry, ...], tuple[Misfit, ...]]:
    """The entries that can be read, newest first, and what does not fit, oldest first."""
    keys = store.list_keys(store.keys.history, named=RECORD)[::-1]
    entries: list[HistoryEntry] = []
    misfits: list[Misfit] = []
    number, before = 0, None
    for key, data in zip(keys, store.get_each(keys), strict=True):
        uri = store.uri(key)
        try:
            entry = unsealed(HistoryEntry, data, uri=uri)
        except CorruptObject:
            misfits.append(Misfit(uri=uri, problem="the run's entry is not what was written"))
            number += 1
        else:
            misfits += (Misfit(uri=uri, problem=problem) for problem in _problems(entry, number, before, key, store))
            entries.append(entry)
            number = entry.sequence
        before = sha256_of_bytes(data)
    return tuple(reversed(entries)), tuple(misfits)


def _problems(entry: HistoryEntry, before: int, chain: str | None, key: str, store: ObjectStore) -> Iterator[str]:
    if key != store.keys.finished(entry.sequence):
        yield f"the entry is of run number {entry.sequence}: it was written elsewhere"
    elif entry.sequence != before + 1:
        yield f"run number {entry.sequence} follows number {before}: what was between was deleted"
    elif entry.previous_entry_sha256 != chain:
        yield "its hash of the run before is not that entry's: one was changed or put there"


def read_reports(history: Sequence[HistoryEntry], *, store: ObjectStore) -> dict[str, RunReport]:
    """The stored reports of maintenance runs, by run id; a run whose report is no longer there is left out."""
    found = {}
    for entry in history:
        if entry.kind == "maintain" and entry.report:
            with contextlib.suppress(MissingObject):
                path = store.get_file(entry.report.json_)
                found[entry.run_id] = RunReport.model_validate_json(path.read_bytes())
    return found


def is_finished(run_id: str, number: int, *, store: ObjectStore) -> bool:
    """Whether the history has the run: under its number, or behind others that ended before it."""
    with contextlib.suppress(MissingObject):
        key = store.keys.finished(number)
        if entry_at(key, store.get_bytes(key), store=store).run_id == run_id:
            return True
    return any(entry.run_id == run_id for entry in read_history(store=store))


def cursor_of(run_id: str, history: Sequence[HistoryEntry]) -> Cursor:
    """What had been read when a run ended; nothing, where the history has no such run."""
    return next((entry.cursor for entry in history if entry.run_id == run_id), Cursor())
