"""Blobs that nothing names go; what a record names, or a run is about to name, stays, whenever gc comes."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from errors import CorruptObject, StoreError
from infra import object_store
from infra.object_store import ObjectStore, connect
from models.contracts import EVIDENCE, Artifact
from tasks.opened import owe
from tasks.registry import moving
from tasks.registry.blobs import Kept
from tasks.registry.documents import NAMELESS, Found
from tasks.runs import close_run
from tests.asleep import CLOCKS, asleep
from tests.infra.test_iam import key_of, kinds_of_keys
from tests.infra.transfers import Requests
from tests.judged import entry
from tests.runs_with_blobs import NOW, OPEN, Run, blob, blobs_of, gc, made
from tests.stores import address_of

TEXTS = ("one", "two")
AT_ANY_AGE = Kept(age=timedelta(days=-1))
LATER = [100, 101, 102, 103]
"""Days on which gc comes: gives up, deletes, takes the marks away, finds nothing left to do."""


def alone(store: ObjectStore) -> ObjectStore:
    """The same store, by another client."""
    return connect(**address_of(store))


def test_without_apply_nothing_is_changed_and_it_is_said_what_would_be(store: ObjectStore) -> None:
    named, unnamed = blob("named", store), blob("unnamed", store, "scores")
    store.put_bytes("requests/r1.json", named.model_dump_json().encode())
    before = store.list_keys("")
    told = gc(store, day=100, apply=False)
    assert store.list_keys("") == before
    assert [(what, found.bytes) for what, found in told.items()] == [
        ("1 blob of kept: named by a version, a run, a question or another record", named.bytes),
        ("1 blob of scores: nobody names them: --apply gives them up, and deletes them a day later", unnamed.bytes),
    ]  # fmt: skip


def test_what_nothing_names_is_given_up_deleted_after_a_day_and_a_day_later_leaves_no_trace(store: ObjectStore) -> None:
    unnamed = blob("unnamed", store)
    assert "younger than 90 days" in next(iter(gc(store, day=89)))
    gc(store, day=100)
    assert store.is_whole(unnamed)
    (deleted,) = gc(store, day=101).values()
    assert (deleted.removed, deleted.bytes) == (True, unnamed.bytes)
    assert not blobs_of(store) and store.list_keys("blobs/")
    gc(store, day=102)
    assert store.list_keys("") == []


def test_less_than_a_day_after_it_was_given_up_nothing_is_deleted(store: ObjectStore) -> None:
    unnamed = blob("unnamed", store)
    gc(store, day=100)
    (told,) = gc(store, day=0, kept=AT_ANY_AGE)
    assert "gave them up less than a day ago" in told
    assert store.is_whole(unnamed)


@pytest.mark.parametrize("kind", sorted(kinds_of_keys()))
def test_of_every_kind_of_key_it_is_decided_whether_its_records_keep_what_they_name(
    kind: str, store: ObjectStore
) -> None:
    kept = blob("named", store, "windows")
    if not key_of(kind).startswith("blobs/"):
        store.put_bytes(key_of(kind), json.dumps({"a": [{"uri": kept.uri}], "b": '{"in": "a text"}'}).encode())
    if kind in {"stages", "jobs"}:
        store.put_bytes("requests/1.json", json.dumps({"spec": json.dumps({"digest": kept.sha256})}).encode())
    for day in LATER:
        gc(store, day=day)
    assert store.exists(store.key_of(kept.uri)) == (not key_of(kind).startswith(NAMELESS))


@pytest.mark.parametrize("spoiled", [b'{"cut o', b'{"no text": "\xff"}'])
def test_an_unreadable_record_stops_it_before_anything_is_deleted_and_is_named(
    spoiled: bytes, store: ObjectStore
) -> None:
    unnamed = blob("unnamed", store)
    gc(store, day=100)
    store.put_bytes("runs/r1/report.json", spoiled)
    with pytest.raises(CorruptObject, match=r"runs/r1/report.json is no JSON .*Nothing was deleted.*never"):
        gc(store, day=101)
    assert store.is_whole(unnamed)


def test_a_record_that_goes_while_gc_reads_them_keeps_nothing_and_fails_nothing(store: ObjectStore) -> None:
    named = blob("named", store)
    store.put_bytes("requests/r1.json", named.model_dump_json().encode())
    Interrupted(store, 3, lambda: store.delete("requests/r1.json")).come(100)
    assert store.exists(store.key_of(named.uri) + store.keys.given_up)


def test_what_only_the_evidence_of_a_version_names_stays(store: ObjectStore) -> None:
    scored, unknown = blob("scores of a version", store, "scores"), blob("what its files look like", store)
    store.put_bytes(store.keys.version(1) + EVIDENCE, scored.model_dump_json().encode())
    store.put_bytes(store.keys.version(1) + "config.json", unknown.model_dump_json().encode())
    for day in LATER:
        gc(store, day=day)
    assert blobs_of(store) == {store.key_of(scored.uri)}


def test_while_a_run_is_open_nothing_is_given_up_and_nothing_deleted(store: ObjectStore) -> None:
    blob("unnamed", store)
    store.put_bytes(store.keys.open_run, OPEN)
    before = store.list_keys("")
    assert list(gc(store, day=100)) == ["blobs: a run is open, which may use any of them"]
    assert store.list_keys("") == before


def test_records_of_work_that_no_run_uses_go_with_what_only_they_name(store: ObjectStore) -> None:
    made("one", store=store)
    store.put_bytes(store.keys.result("e" * 64), blob("two", store).model_dump_json().encode())
    told = gc(store, day=100)
    assert next(iter(told)) == "2 records of work: no run used them for 90 days"
    assert not store.list_keys("stages/") and not store.list_keys("jobs/") and len(blobs_of(store)) == 2
    gc(store, day=101)
    assert not blobs_of(store)


def test_records_of_work_that_are_younger_stay_and_so_does_what_they_name(store: ObjectStore) -> None:
    made("one", store=store)
    (record,) = store.list_keys("stages/")
    for day in (88, 89):
        assert "1 blob of kept: named by a version, a run, a question or another record" in gc(store, day=day)
    assert store.exists(record) and len(blobs_of(store)) == 1


def test_a_record_of_work_that_is_used_stays_young(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    made("one", store=store)
    (record,) = store.list_keys("stages/")
    before, sent = store.get_bytes(record), Requests(store)
    made("one", store=store)
    assert "PutObject" not in sent.count
    monkeypatch.setattr(object_store, "USED_AGAIN", moving.FORGOTTEN * 0)
    made("one", store=store)
    assert sent.count["PutObject"] == 1
    assert store.get_bytes(record) == before


def test_bytes_that_were_given_up_are_stored_under_another_key_until_no_deletion_can_come_late(
    store: ObjectStore,
) -> None:
    old = blob("the same", store)
    gc(store, day=100)
    for day in (101, 102):
        new = blob("the same", store)
        assert (new.sha256, new.uri) == (old.sha256, old.uri.replace(".parquet", "-1.parquet"))
        assert blob("the same", store) == new
        store.delete(store.key_of(new.uri))
        gc(store, day=day)
        assert not store.exists(store.key_of(old.uri))
    assert blob("the same", store) == old


def test_less_than_a_day_after_a_blob_was_deleted_its_mark_stays(store: ObjectStore) -> None:
    unnamed = blob("unnamed", store)
    for day in (100, 101):
        gc(store, day=day)
    gc(store, day=0, kept=AT_ANY_AGE)
    assert store.list_keys("") == [store.key_of(unnamed.uri) + store.keys.given_up]


def test_what_an_old_record_named_until_now_is_given_up_once_more_and_not_deleted_at_once(store: ObjectStore) -> None:
    """Somebody may just have read that record."""
    found = blob("found before it was given up", store)
    gc(store, day=100)
    store.put_bytes(store.keys.stage("made", "d" * 64), found.model_dump_json().encode())
    gc(store, day=200)
    assert not store.list_keys("stages/") and store.is_whole(found)
    gc(store, day=201)
    assert not blobs_of(store)


def test_reports_of_older_runs_keep_no_blob_where_that_is_asked_for_unless_a_training_waits_there(
    store: ObjectStore,
) -> None:
    quiet, stopped = (Run(run_id, store).begin([run_id]) for run_id in ("quiet", "stopped"))
    quiet.end()
    stopped.end()
    kept = Kept(age=timedelta(days=90), reports=timedelta(days=365), waiting=frozenset({"stopped"}))
    for day in (300, 301, 366, 367):
        gc(store, day=day, kept=kept)
        assert stopped.has_all() and quiet.has_all() == (day < 367)
    assert {"runs/quiet/report.json", "runs/stopped/report.json"} <= set(store.list_keys("runs/"))


def test_the_rows_that_an_older_run_read_go_with_all_that_its_report_kept(store: ObjectStore) -> None:
    rows, kept = (
        blob("rows of people", store, kind="windows"),
        Kept(age=timedelta(days=90), reports=timedelta(days=365)),
    )
    done = entry(1, run_id="run-1", window_digest=rows.sha256)
    owe(done, store)
    close_run.fn(done, store=store)
    Run("run-1", store).begin(["other rows"]).end()
    for day in (366, 367, 368):
        gc(store, day=day, kept=kept)
    assert not blobs_of(store)


def test_what_a_run_under_way_is_pinned_to_keeps_what_it_names_at_any_age(store: ObjectStore) -> None:
    kept = Kept(age=timedelta(days=90), reports=timedelta(days=365))
    assert kept.is_read(Found(store.keys.open_run, 0, NOW), NOW + timedelta(days=400))


def test_what_lies_among_the_blobs_and_is_none_stays(store: ObjectStore) -> None:
    strays = ["blobs/kept/", "blobs/kept/notes.txt"]
    for stray in strays:
        store.put_bytes(stray, b"")
    for day in LATER:
        gc(store, day=day)
    assert store.list_keys("", named=re.compile(".*")) == strays


# --- a run between any two requests of gc ---


class Interrupted:
    """A gc on a number of days; before its so many-th request of all, something else happens."""

    def __init__(self, store: ObjectStore, at: int, action: Callable[[], object]) -> None:
        self.seen, self.at, self.action = 0, at, action
        self.store = alone(store)
        self.store.client.meta.events.register("before-send.s3", self._see)

    def _see(self, **_: Any) -> None:
        self.seen += 1
        if self.seen == self.at:
            self.action()

    def come(self, *days: int) -> None:
        for day in days:
            gc(self.store, day=day)


def littered(store: ObjectStore) -> Artifact:
    """What a run left that died a hundred days ago; and what nobody will make again."""
    Run("died", store).begin(TEXTS)
    store.delete(store.keys.open_run)
    return blob("never", store)


def swept(store: ObjectStore) -> None:
    for key in store.list_keys(""):
        store.delete(key)


def every_request(store: ObjectStore, *days: int) -> range:
    littered(store)
    uninterrupted = Interrupted(store, 0, lambda: None)
    uninterrupted.come(*days)
    swept(store)
    return range(1, uninterrupted.seen + 1)


@pytest.mark.slow
def test_whenever_a_run_begins_and_ends_what_it_named_is_there(store: ObjectStore) -> None:
    requests = every_request(store, *LATER)
    assert len(requests) > 20
    editions = set()
    for at in requests:
        never = littered(store)
        run = Run("late", alone(store))

        def begin_and_end(run: Run = run) -> None:
            run.begin(TEXTS).end()

        Interrupted(store, at, begin_and_end).come(*LATER)
        gc(store, day=104)
        assert run.found and run.has_all(), f"before request {at}: {run.found}"
        editions |= {artifact.uri.rpartition("/")[2] for artifact in run.found}
        assert not store.exists(store.key_of(never.uri))
        swept(store)
    assert len(editions) == 2 * len(TEXTS), "some runs found blobs before they were given up, others after that"


@pytest.mark.slow
def test_whenever_a_run_begins_before_gc_deletes_and_ends_after_that_what_it_named_is_there(store: ObjectStore) -> None:
    """Gc finds it open, or it has found what gc gives up before that, and ends before the next gc comes."""
    for at in every_request(store, 100):
        littered(store)
        run = Run("slow", alone(store))
        Interrupted(store, at, lambda run=run: run.begin(TEXTS)).come(100)
        gc(store, day=101)
        run.end()
        for day in LATER[2:]:
            gc(store, day=day)
        assert run.has_all(), f"before request {at}: {run.found}"
        swept(store)


@pytest.mark.slow
def test_whenever_two_gcs_come_at_once_no_run_after_them_loses_anything(store: ObjectStore) -> None:
    days = LATER[:2]
    for at in every_request(store, *days):
        littered(store)
        other = alone(store)
        Interrupted(store, at, lambda other=other: gc(other, day=102)).come(*days)
        run = Run("next", alone(store)).begin(TEXTS)
        run.end()
        for day in LATER[2:]:
            gc(store, day=day)
        assert run.has_all(), f"before request {at}"
        swept(store)


# --- who stands still ---


@pytest.mark.parametrize("at", [3, 4], ids=["while it reads records", "behind that"])
@pytest.mark.parametrize("clock", CLOCKS)
def test_a_gc_that_stood_still_after_it_looked_deletes_no_blob(
    clock: str, at: int, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    unnamed = blob("unnamed", store)
    store.put_bytes("requests/r1.json", b"{}")
    gc(store, day=100)
    sleeper = Interrupted(store, at, lambda: asleep(monkeypatch, clock, hours=13))
    with pytest.raises(StoreError, match=r"stood still for 13:00:.* run again"):
        sleeper.come(101)
    assert store.is_whole(unnamed)
