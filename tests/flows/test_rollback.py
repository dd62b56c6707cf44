"""A rollback that dies, and what the next command makes of it."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from errors import StoreError
from flows.inspect import describe, pull_version, read_all_history, read_status
from flows.maintain import maintain
from flows.monitor import monitor
from flows.rollback import rollback
from infra.object_store import ObjectStore
from models.contracts import Ended, Manifest, Measured, Outcome, Release
from models.spec import read_spec
from tasks.opened import owe, read_opened
from tasks.registry.generations import move_alias
from tasks.registry.publishing import publish
from tasks.runs import close_run, open_run
from tests.flows.champions import adopted
from tests.flows.conftest import Home
from tests.flows.test_roles import TRAINER, deny_all_but
from tests.killed import Killed
from tests.releases import flip

pytestmark = pytest.mark.filterwarnings("ignore:Logger 'prefect")  # tasks outside of a flow: a second less each


@pytest.fixture
def second(home: Home, store: ObjectStore) -> Home:
    """Version 2 is champion, version 1 was before: the same untrained weights."""
    first = adopted(home, store)
    was = first.release.manifest
    manifest = publish.fn(
        first.candidate, model="test", kind=read_spec(home.spec).kind, reference=was.reference, measured=was.measured,
        evidence=Measured(measurements=was.measured, to_beat=0.5),
        lineage=was.lineage.model_copy(update={"run_id": "r2"}), created_at=was.created_at, store=store,
    )  # fmt: skip
    move_alias.fn(manifest, alias="champion", expected=first.release.entry, run_id="r2", why="test", store=store)
    return home


def die_after(write: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies right behind its so many-th write."""
    done = []

    def dying(name: str) -> None:
        original = getattr(ObjectStore, name)

        def write_and_die(self: ObjectStore, *args: Any, **options: Any) -> None:
            original(self, *args, **options)
            done.append(args[0])
            if len(done) == write:
                raise Killed(args[0])

        monkeypatch.setattr(ObjectStore, name, write_and_die)

    dying("put_bytes")
    dying("delete")


WRITES = {1: "/open.json", 2: "runs/open.json", 3: "moves/", 4: "aliases/", 5: "moves/", 6: "history/",
          7: "runs/open.json"}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("write", "key"), WRITES.items())
def test_a_killed_rollback_that_is_asked_for_again_goes_back_one_version_and_not_two(
    second: Home, write: int, key: str, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as planted, pytest.raises(Killed, match=key):
        die_after(write, planted)
        rollback.fn(second.spec, why="it errs")
    assert pull_version(second.spec, "champion", tmp_path / "pulled").version == (2 if write < 4 else 1)
    if write < 6:
        assert rollback.fn(second.spec, why="it errs").version == 1
    status = read_status(second.spec)
    assert [entry.version for entry in status.log] == [1, 2, 1]
    assert [(e.sequence, e.kind, e.champion_version) for e in status.recent] == [
        (2, "rollback", 1),
        (1, "bootstrap", 1),
    ]
    assert "it errs" in status.recent[0].headline
    assert status.unfinished is None


@pytest.mark.slow
def test_a_rollback_that_died_before_its_history_entry_gets_it_from_the_next_run(second: Home) -> None:
    with pytest.MonkeyPatch.context() as planted, contextlib.suppress(Killed):
        die_after(4, planted)
        rollback.fn(second.spec)
    assert read_status(second.spec).unfinished is not None
    maintain(second.spec)
    history = read_all_history(second.spec)
    assert [(e.sequence, e.outcome) for e in history] == [
        (3, Outcome.WAITING), (2, Outcome.ROLLED_BACK), (1, Outcome.BOOTSTRAPPED),
    ]  # fmt: skip
    assert history[1].cursor == history[2].cursor


@pytest.mark.slow
@pytest.mark.parametrize("flow", [maintain, monitor])
def test_a_dry_run_does_not_tell_of_a_rollback_that_died_and_the_next_run_does(
    second: Home, flow: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr("flows.moving.emit_move", lambda release, kind: told.append(release.version))
    with pytest.MonkeyPatch.context() as planted, contextlib.suppress(Killed):
        die_after(4, planted)
        rollback.fn(second.spec)
    flow(second.spec, dry_run=True)
    assert told == [] and read_status(second.spec).unfinished is not None
    flow(second.spec)
    assert told == [1]


@pytest.mark.parametrize("readable", [True, False])
def test_who_finishes_a_rollback_that_died_tells_of_it_unless_the_champion_cannot_be_read(
    second: Home, store: ObjectStore, readable: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[int, str, str]] = []
    monkeypatch.setattr(
        "flows.moving.emit_move", lambda release, kind: told.append((release.version, release.entry.run_id, kind))
    )
    with pytest.MonkeyPatch.context() as planted, contextlib.suppress(Killed):
        die_after(4, planted)
        rollback.fn(second.spec)
    died = read_status(second.spec).log[0]
    assert died.version == 1 and told == []
    if not readable:
        store.delete(store.keys.manifest(1))
    assert rollback.fn(second.spec, to=2).version == 2
    assert [kind for _, _, kind in told] == ["rollback"] * (2 if readable else 1)
    assert ((1, died.run_id, "rollback") in told) is readable
    assert ("nobody was told that version 1 became champion" in caplog.text) is not readable


def test_a_rollback_is_told_and_in_the_history_also_where_a_scheduled_run_opens_while_it_moves_the_alias(
    second: Home, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr("flows.moving.emit_move", lambda release, kind: told.append(release.version))

    def move_beside_a_run(manifest: Manifest, **moves: Any) -> Release:
        open_run.fn(read_spec(second.spec), "maintain", read_status(second.spec).champion, force=False, store=store)
        return move_alias.fn(manifest, **moves)

    monkeypatch.setattr("flows.moving.move_alias", move_beside_a_run)
    assert rollback.fn(second.spec, why="it errs").version == 1
    assert told == [1]
    newest = read_all_history(second.spec)[0]
    assert (newest.outcome, newest.champion_version) == (Outcome.ROLLED_BACK, 1)


def test_a_rollback_that_died_behind_its_move_gets_its_history_entry_also_where_a_promotion_has_opened_beside_it(
    second: Home, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def move_beside_a_promotion(manifest: Manifest, **moves: Any) -> Release:
        champion = read_status(second.spec).champion
        assert champion is not None
        open_run.fn(read_spec(second.spec), "promote", None, force=False, mover=champion.entry.run_id, store=store)
        move_alias.fn(manifest, **moves)
        raise Killed("aliases/")

    with monkeypatch.context() as planted, pytest.raises(Killed):
        planted.setattr("flows.moving.move_alias", move_beside_a_promotion)
        rollback.fn(second.spec, why="it errs")
    maintain(second.spec)
    assert [(e.sequence, e.outcome, e.champion_version) for e in read_all_history(second.spec)] == [
        (3, Outcome.WAITING, 1), (2, Outcome.ROLLED_BACK, 1), (1, Outcome.BOOTSTRAPPED, 1),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("overtaken", [False, True])
def test_what_a_run_that_died_behind_its_release_owes_to_the_history_is_written_by_the_rollback_over_it(
    second: Home, store: ObjectStore, readable: bool, overtaken: bool
) -> None:
    first = read_all_history(second.spec)[0]
    spent = {"kind": "maintain", "run_id": "r2", "drift_alpha": 0.01, "quality_alpha": 0.02, "training_minutes": 7.0}
    further = first.cursor.model_copy(update={"ended": ("day-9.csv",)})
    owe(first.model_copy(update={**spent, "sequence": 2, "retrained": True, "cursor": further}), store)
    if overtaken:
        close_run.fn(first.model_copy(update={"sequence": 2, "run_id": "another"}), store=store)
    if not readable:
        store.delete(store.keys.manifest(2))
    assert rollback.fn(second.spec).version == 1
    back, released, *_ = read_all_history(second.spec)
    assert (back.outcome, released.outcome, released.run_id) == (Outcome.ROLLED_BACK, Outcome.RELEASED, "r2")
    assert released.champion_version == 2 and released.retrained
    assert (released.drift_alpha, released.quality_alpha, released.training_minutes) == (0.01, 0.02, 7.0)
    assert back.cursor == released.cursor == (first.cursor if overtaken else further)
    assert rollback.fn(second.spec, to=2).version == 2 if readable else True
    assert [e.run_id for e in read_all_history(second.spec)].count("r2") == 1


def test_a_rollback_needs_no_entry_of_the_log_before_the_one_to_which_it_goes_back(
    second: Home, store: ObjectStore
) -> None:
    rollback.fn(second.spec)
    rollback.fn(second.spec, to=2)
    flip(store, store.keys.generation("champion", 1), byte=30)
    flip(store, store.keys.generation("champion", 2), byte=30)
    assert rollback.fn(second.spec).version == 1
    assert rollback.fn(second.spec, to=2).version == 2


def test_another_version_can_be_asked_for_after_a_rollback_that_died(second: Home) -> None:
    with pytest.MonkeyPatch.context() as planted, contextlib.suppress(Killed):
        die_after(4, planted)
        rollback.fn(second.spec)
    assert rollback.fn(second.spec, to=2).version == 2
    assert [(e.kind, e.champion_version) for e in read_all_history(second.spec)] == [
        ("rollback", 2), ("rollback", 1), ("bootstrap", 1),
    ]  # fmt: skip


def test_where_the_history_was_deleted_a_rollback_moves_nothing_and_says_what_to_restore(
    second: Home, store: ObjectStore
) -> None:
    store.delete(store.keys.finished(1))
    with pytest.raises(StoreError, match=rf"{store.uri(store.keys.history)} holds no run.*[Rr]estore"):
        rollback.fn(second.spec)
    assert [entry.version for entry in read_status(second.spec).log] == [2, 1]


def test_who_may_not_move_an_alias_is_told_before_his_rollback_takes_the_place_of_a_run_that_is_open(
    second: Home, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = open_run.fn(read_spec(second.spec), "maintain", None, force=False, store=store)
    with monkeypatch.context() as restricted:
        deny_all_but(TRAINER, restricted)
        with pytest.raises(StoreError, match=r"moves/: access denied .* so the champion stays.* releaser"):
            rollback(second.spec)
    assert read_opened(store) == left
    assert rollback(second.spec).version == 1


def test_of_a_rollback_that_is_open_status_says_what_becomes_of_it(second: Home, store: ObjectStore) -> None:
    opened = open_run.fn(read_spec(second.spec), "rollback", None, force=False, store=store)
    told = "\n".join(describe(read_status(second.spec)))
    assert f"rollback {opened.run_id}; " in told and "takes its place" in told
    assert "the next `upkeep run` takes it up" not in told
