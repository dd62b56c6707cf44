"""What a run is pinned to belongs to that run: another that ends, fails or moves the alias meanwhile does not take it."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest

from errors import DataError, ModelError, SpecError, StoreError, UnmeasuredMetric
from flows import moving
from infra.object_store import ObjectStore
from models.contracts import AliasEntry, Cursor, HistoryEntry, Outcome, Pages
from models.spec import parse_spec
from tasks import runs
from tasks.history import last_run, read_history
from tasks.opened import mover_of, open_run_of, owe, store_opened
from tasks.runs import (
    close_run,
    find_handled,
    is_open,
    open_run,
    pinned,
    require_open,
    unfinished_move,
    unfinished_release,
)
from tests.judged import FILE, entry
from tests.models.test_spec import LEAST
from tests.tasks.reports import release
from tests.tasks.test_waiting import STOPPED

SPEC = parse_spec(LEAST, where="here")


def test_a_run_whose_data_is_refused_forgets_itself_and_no_other_that_opened_since(store: ObjectStore) -> None:
    first = open_run.fn(SPEC, "maintain", None, force=False, store=store)
    with pytest.raises(DataError), pinned(first, mover="", store=store):
        second = open_run.fn(SPEC, "promote", None, force=False, store=store)
        raise DataError("too many bad rows")
    assert open_run_of(store=store) == second
    with pytest.raises(DataError), pinned(second, mover="", store=store):
        raise DataError("too many bad rows")
    assert open_run_of(store=store) is None


@pytest.mark.parametrize(
    ("problem", "forgotten"), [(DataError, True), (ModelError, True), (UnmeasuredMetric, True), (StoreError, False)]
)
def test_a_run_stays_to_be_taken_up_unless_data_or_model_were_refused_before_it_had_released(
    problem: type[Exception], forgotten: bool, store: ObjectStore
) -> None:
    start = open_run.fn(SPEC, "maintain", None, force=False, store=store)
    assert mover_of(start.run_id, store) is None  # no promotion, nor a rollback
    for mover, gone in ((start.run_id, False), ("", forgotten)):
        with pytest.raises(problem), pinned(start, mover=mover, store=store):
            raise problem("refused")
        assert is_open(start.run_id, store=store) is not gone


@pytest.mark.parametrize("kind", ["promote", "rollback"])
def test_no_promotion_or_rollback_comes_before_the_end_of_the_bootstrap(
    kind: Literal["promote", "rollback"], store: ObjectStore
) -> None:
    released = open_run.fn(SPEC, "bootstrap", None, force=False, store=store)
    with pytest.raises(SpecError, match="`upkeep bootstrap SPEC` finishes it"):
        open_run.fn(SPEC, kind, None, force=False, mover=released.run_id, store=store)
    assert open_run_of(store=store) == released


def test_of_two_bootstraps_that_overlapped_the_one_that_released_and_died_is_finished_before_anything_else(
    store: ObjectStore,
) -> None:
    released = open_run.fn(SPEC, "bootstrap", None, force=False, store=store)
    other = open_run.fn(SPEC, "bootstrap", None, force=True, store=store)  # before the alias moved
    assert open_run_of(store=store) == other != released
    for kind in ("maintain", "promote", "rollback"):
        with pytest.raises(SpecError, match=f"{released.run_id} has released .*`upkeep bootstrap SPEC` finishes it"):
            open_run.fn(SPEC, kind, None, force=False, mover=released.run_id, store=store)
    assert open_run.fn(SPEC, "bootstrap", None, force=True, mover=released.run_id, store=store) == released
    close_run.fn(entry(0, run_id=released.run_id), store=store)
    assert open_run_of(store=store) is None
    assert open_run.fn(SPEC, "rollback", None, force=False, mover=released.run_id, store=store).sequence == 2


def test_a_rollback_goes_past_a_run_that_released_and_left_no_entry_as_earlier_versions_of_upkeep_did(
    store: ObjectStore,
) -> None:
    released = open_run.fn(SPEC, "maintain", None, force=False, store=store)
    back = open_run.fn(SPEC, "rollback", None, force=False, mover=released.run_id, store=store)
    assert open_run_of(store=store) == back != released


@pytest.mark.parametrize("change", [{"seed": 7}, {"kind": "bootstrap"}, {"force": True}, {}])
def test_a_run_that_died_is_taken_up_by_one_that_is_asked_for_the_same_and_by_no_other(
    change: dict[str, Any], store: ObjectStore
) -> None:
    died = open_run.fn(SPEC, "maintain", None, force=False, store=store)
    spec = SPEC.model_copy(update={"seed": change.get("seed", SPEC.seed)})
    asked = {"kind": change.get("kind", "maintain"), "force": change.get("force", False)}
    taken = open_run.fn(spec, asked["kind"], None, force=asked["force"], store=store)
    assert (taken == died) is (change == {})
    assert open_run_of(store=store) == taken
    read = Cursor(ended=("day-1.csv",))
    close_run.fn(entry(0, run_id=taken.run_id, sequence=taken.sequence, cursor=read), store=store)
    assert not is_open(taken.run_id, store=store)
    following = open_run.fn(spec, asked["kind"], None, force=asked["force"], store=store)
    assert (following.sequence, following.cursor) == (taken.sequence + 1, read)


def test_a_run_that_began_while_the_champion_was_moved_is_taken_up_by_nobody_since_it_could_never_release(
    store: ObjectStore,
) -> None:
    was = release(1)
    begun = open_run.fn(SPEC, "maintain", was, force=False, store=store)
    assert open_run.fn(SPEC, "maintain", was, force=False, store=store) == begun
    there_and_back = was.entry.model_copy(update={"generation": was.entry.generation + 2})
    now = was.model_copy(update={"entry": there_and_back})
    following = open_run.fn(SPEC, "maintain", now, force=False, store=store)
    assert following != begun and following.champion == now


def test_a_promotion_takes_up_no_other_one_that_may_be_under_way(store: ObjectStore) -> None:
    first, second = (open_run.fn(SPEC, "promote", None, force=False, store=store) for _ in range(2))
    assert first != second
    assert {mover_of(run.run_id, store) for run in (first, second)} == {first, second}


def test_a_run_that_died_behind_what_it_told_is_charged_for_it_and_one_that_only_waited_is_not(
    store: ObjectStore,
) -> None:
    died = open_run.fn(SPEC, "maintain", None, force=False, store=store)
    told = entry(0, run_id=died.run_id, outcome=Outcome.RELEASED, degraded=True, drifted=True, retrained=True,
                 drift_alpha=0.01, window_digest="rows", headline="Version 2 is champion.", stopped=STOPPED,
                 cursor=Cursor(ended=("day-1.csv",)),
                 report=Pages(html=FILE, markdown=FILE, json_=FILE, local_html=""))  # fmt: skip
    owe(told.model_copy(update={"outcome": Outcome.WAITING}), store)
    assert open_run.fn(SPEC, "maintain", None, force=True, store=store).sequence == 1
    store_opened(died, store)
    owe(told, store)
    assert open_run.fn(SPEC, "maintain", None, force=True, store=store).sequence == 2
    (charged,) = read_history(store=store)
    assert (charged.outcome, charged.drift_alpha, charged.unread) == (Outcome.WOULD_RETRAIN, 0.01, True)
    assert (charged.window_digest, charged.rows, charged.degraded, charged.drifted, charged.retrained) == (
        "", 0, False, False, False,
    )  # fmt: skip
    assert (charged.cursor, charged.stopped, charged.report) == (died.cursor, None, None) and charged.flow_runs == ()


def test_what_another_run_finished_under_a_number_is_released_or_told_by_nobody_else(store: ObjectStore) -> None:
    mine = open_run.fn(SPEC, "maintain", None, force=False, store=store)
    require_open(mine, store=store)
    done = close_run.fn(entry(0, run_id=mine.run_id, champion_version=2), store=store)
    assert close_run.fn(entry(0, run_id=mine.run_id, headline="by another try"), store=store) == done
    require_open(mine, releasing=2, store=store)
    other = mine.model_copy(update={"run_id": "another"})
    for start, version in ((mine, 3), (other, 2), (other, None)):
        with pytest.raises(StoreError, match=rf"finished as number 1 in the meantime \({mine.run_id}\)"):
            require_open(start, releasing=version, store=store)
    with pytest.raises(StoreError, match="finished as number 1 in the meantime"):
        close_run.fn(entry(0, run_id="another"), store=store)


def test_a_window_that_a_rollback_carried_on_was_looked_at_by_the_run_before_it(store: ObjectStore) -> None:
    close_run.fn(entry(2, run_id="look", window_digest="rows"), store=store)
    close_run.fn(entry(1, run_id="back", kind="rollback", sequence=2, window_digest="rows"), store=store)
    handled = find_handled("rows", model="test", store=store)
    assert handled is not None and handled.run_id == "look"
    assert find_handled("others", model="test", store=store) is None


def test_a_release_that_left_no_entry_comes_behind_the_run_that_took_its_number(store: ObjectStore) -> None:
    alias = AliasEntry.model_construct(run_id="released")
    assert unfinished_release(alias, store=store) is None
    first = close_run.fn(entry(2, run_id="first"), store=store)
    owed = entry(1, run_id="released", sequence=2, cursor=Cursor(ended=("a.csv",)))
    owe(owed, store)
    assert unfinished_release(alias, store=store) == owed
    close_run.fn(entry(1, run_id="other", sequence=2), store=store)
    late = unfinished_release(alias, store=store)
    assert late is not None and (late.sequence, late.cursor) == (3, first.cursor)
    close_run.fn(late, store=store)
    assert unfinished_release(alias, store=store) is None


def test_an_opening_record_whose_number_another_run_has_taken_is_taken_up_by_nobody(store: ObjectStore) -> None:
    left = open_run.fn(SPEC, "maintain", None, force=False, store=store)
    owe(entry(0, run_id=left.run_id, drift_alpha=0.01), store)
    close_run.fn(entry(0, run_id="other"), store=store)
    assert open_run_of(store=store) is None
    assert open_run.fn(SPEC, "maintain", None, force=False, store=store).sequence == 2
    assert [done.run_id for done in read_history(store=store)] == ["other"]


def test_a_move_that_a_run_overtakes_between_its_look_and_its_entry_comes_behind_that_run(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    close_run.fn(entry(3, run_id="first"), store=store)
    back = open_run.fn(SPEC, "rollback", None, force=False, store=store)
    current = release(1).entry.model_copy(update={"run_id": back.run_id})
    overtaking = iter([entry(1, run_id="overtakes", sequence=2)])

    def close(*given: Any, **named: Any) -> None:
        for other in overtaking:
            close_run.fn(other, store=store)
        close_run.fn(*given, **named)

    monkeypatch.setattr(moving, "close_run", close)
    assert moving.finish_move(current, asked="rollback", tell=False, store=store)
    assert [run.run_id for run in read_history(store=store)] == [back.run_id, "overtakes", "first"]
    assert not moving.finish_move(current, asked="rollback", tell=False, store=store)


def test_what_another_process_finishes_while_one_looks_whether_it_is_finished_is_finished_once(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    close_run.fn(entry(3, run_id="first"), store=store)
    back = open_run.fn(SPEC, "rollback", None, force=False, store=store)
    owe(entry(2, run_id="released", sequence=2), store)
    for run_id, look in ((back.run_id, unfinished_move), ("released", unfinished_release)):
        current = AliasEntry.model_construct(run_id=run_id)
        assert look(current, store=store)
        others = iter([entry(1, run_id=run_id, sequence=len(read_history(store=store)) + 1)])

        def last(others: Iterator[HistoryEntry] = others, **where: Any) -> HistoryEntry:
            for other in others:
                close_run.fn(other, store=store)
            return last_run(**where)

        monkeypatch.setattr(runs, "last_run", last)
        assert look(current, store=store) is None
