"""The history of runs is a chain of sealed entries: what was changed, deleted or put in between is found."""

import pytest

from errors import CorruptObject
from infra.object_store import ObjectStore
from infra.sealed import sealed
from models.contracts import HistoryEntry
from tasks.history import check_history, entry_at, is_finished, read_history
from tasks.runs import close_run
from tests.judged import entry
from tests.releases import flip


def run(sequence: int) -> HistoryEntry:
    return entry(1, sequence=sequence, run_id=f"run-{sequence}")


@pytest.fixture
def runs(store: ObjectStore) -> ObjectStore:
    """A store with three finished runs."""
    for sequence in (1, 2, 3):
        close_run.fn(run(sequence), store=store)
    return store


def misfits(store: ObjectStore) -> list[tuple[str, str]]:
    return [(store.key_of(misfit.uri), misfit.problem) for misfit in check_history(store=store)[1]]


def rewritten(store: ObjectStore, sequence: int, **changes: object) -> None:
    key = store.keys.finished(sequence)
    store.put_bytes(key, sealed(entry_at(key, store.get_bytes(key), store=store).model_copy(update=changes)))


def test_runs_that_ended_one_after_another_fit(runs: ObjectStore) -> None:
    entries, unfit = check_history(store=runs)
    assert entries == read_history(store=runs)
    assert [e.run_id for e in entries] == ["run-3", "run-2", "run-1"]
    assert unfit == ()


def test_every_byte_of_an_entry_counts(runs: ObjectStore) -> None:
    key = runs.keys.finished(3)
    whole = runs.get_bytes(key)
    for place in range(0, len(whole), 29):
        flip(runs, key, byte=place)
        with pytest.raises(CorruptObject):
            read_history(store=runs)
        assert misfits(runs) == [(key, "the run's entry is not what was written")], place
        runs.put_bytes(key, whole)


def test_a_changed_entry_hides_no_other(runs: ObjectStore) -> None:
    flip(runs, runs.keys.finished(2), byte=40)
    entries, _ = check_history(store=runs)
    assert [e.run_id for e in entries] == ["run-3", "run-1"]
    assert misfits(runs) == [
        (runs.keys.finished(2), "the run's entry is not what was written"),
        (runs.keys.finished(3), "its hash of the run before is not that entry's: one was changed or put there"),
    ]


def test_an_entry_that_was_rewritten_with_a_new_seal_breaks_the_chain_after_it(runs: ObjectStore) -> None:
    rewritten(runs, 2, drift_alpha=0.0, rows=7)
    ((key, problem),) = misfits(runs)
    assert key == runs.keys.finished(3)
    assert "hash of the run before" in problem


@pytest.mark.parametrize(("gone", "told"), [(1, "number 2 follows number 0"), (2, "number 3 follows number 1")])
def test_a_deleted_entry_is_told_by_the_one_behind_it(gone: int, told: str, runs: ObjectStore) -> None:
    runs.delete(runs.keys.finished(gone))
    ((key, problem),) = misfits(runs)
    assert key == runs.keys.finished(gone + 1)
    assert told in problem and "was deleted" in problem


def test_an_entry_that_was_copied_elsewhere_is_pointed_at(runs: ObjectStore) -> None:
    runs.put_bytes(runs.keys.finished(4), runs.get_bytes(runs.keys.finished(3)))
    assert misfits(runs) == [(runs.keys.finished(4), "the entry is of run number 3: it was written elsewhere")]


def test_an_older_entry_that_was_copied_behind_the_newest_is_not_taken_for_it(runs: ObjectStore) -> None:
    """Or the next run would begin to read, and count what it may spend, where run 1 ended."""
    copied = runs.keys.finished(4)
    runs.put_bytes(copied, runs.get_bytes(runs.keys.finished(1)))
    for read in (
        lambda: read_history(store=runs, limit=1),
        lambda: is_finished("run-4", 4, store=runs),
        lambda: close_run.fn(run(4), store=runs),
    ):
        with pytest.raises(
            CorruptObject, match=rf"{runs.uri(copied)} is the entry of run number 1: it was copied there"
        ):
            read()
    runs.delete(copied)
    assert read_history(store=runs, limit=1)[0].run_id == "run-3"


def test_an_entry_without_a_seal_is_not_believed(runs: ObjectStore) -> None:
    key = runs.keys.finished(3)
    bare = run(3).model_dump_json(indent=1, exclude={"previous_entry_sha256"})
    runs.put_bytes(key, bare.encode())
    with pytest.raises(CorruptObject, match="its seal does not fit"):
        read_history(store=runs)
    assert misfits(runs) == [(key, "the run's entry is not what was written")]


def test_a_run_that_is_closed_again_is_the_one_that_was_written(runs: ObjectStore) -> None:
    assert close_run.fn(run(3), store=runs) == read_history(store=runs, limit=1)[0]
    assert misfits(runs) == []


def test_runs_go_on_behind_an_entry_that_was_deleted(runs: ObjectStore) -> None:
    runs.delete(runs.keys.finished(2))
    close_run.fn(run(4), store=runs)
    assert [e.sequence for e in read_history(store=runs)] == [4, 3, 1]
    assert [key for key, _ in misfits(runs)] == [runs.keys.finished(3)]
