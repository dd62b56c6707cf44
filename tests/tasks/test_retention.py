"""What gc keeps, what it deletes, and that it never deletes what somebody is about to use."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from errors import CorruptObject, NoChampion, SpecError, StoreError
from infra.object_store import ObjectStore
from models.contracts import Candidate, Manifest, Removal
from tasks.history import read_history
from tasks.registry import moving, retention
from tasks.registry.aliases import read_alias, require_alias
from tasks.registry.approvals import find_question
from tasks.registry.asking import give_answer
from tasks.registry.audit import audit
from tasks.registry.blobs import Kept
from tasks.registry.checks import verify_version
from tasks.registry.comparing import describe_versions
from tasks.registry.retention import Retention, collect
from tasks.registry.versions import list_versions, read_version
from tasks.returned_labels import read_requests
from tests.asleep import CLOCKS, asleep
from tests.questions import asked
from tests.releases import KIND, flip, moved, released, stored_candidate
from tests.runs_with_blobs import blob

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=400)
STRICT = Retention(versions=1, age=timedelta(days=30), entries=1)


@pytest.fixture
def candidate(store: ObjectStore, tmp_path: Path) -> Candidate:
    return stored_candidate(store, tmp_path / "model")


@pytest.fixture
def registry(store: ObjectStore, candidate: Candidate) -> ObjectStore:
    return aged(candidate, store)


def aged(candidate: Candidate, store: ObjectStore) -> ObjectStore:
    """Versions 1 to 5, all old; 1, 2 and 3 were champion one after the other, 2 is now."""
    manifests = [released(candidate, store, f"run-{n}", created_at=OLD) for n in range(1, 6)]
    for step, (number, before) in enumerate(((1, None), (2, 1), (3, 2), (2, 3))):
        moved(manifests[number - 1], before, store, f"move-{step}")
    return store


def collected(store: ObjectStore, kept: Retention = STRICT, *, apply: bool = True, now: datetime = NOW) -> set[str]:
    return {r.what for r in collect(kept, under_way=False, now=now, apply=apply, store=store) if r.removed}


def reasons(found: tuple[Removal, ...]) -> dict[str, str]:
    return {r.what: r.because for r in found}


def test_without_apply_nothing_is_deleted(registry: ObjectStore) -> None:
    before = registry.list_keys("")
    assert collected(registry, apply=False) == {"version 1", "version 3", "version 4"}
    assert registry.list_keys("") == before


def test_what_gc_says_that_it_would_delete_is_what_it_then_deletes(registry: ObjectStore, candidate: Candidate) -> None:
    registry.delete(registry.keys.manifest(4))
    registry.put_bytes(registry.keys.stage("candidate", "d" * 64), candidate.model_dump_json().encode())
    registry.put_bytes(registry.keys.move(2, "dead"), b'{"at": "2020-01-01T00:00:00+00:00"}')
    for name, size in (("config.json", 20), ("model.safetensors", 300)):
        registry.put_bytes(f"{registry.keys.instruments}{'d' * 64}/{name}", b"x" * size)
    before, later = registry.list_keys(""), NOW + timedelta(days=60)
    told = collect(STRICT, under_way=False, now=later, apply=False, store=registry)
    assert registry.list_keys("") == before
    done = collect(STRICT, under_way=False, now=later, apply=True, store=registry)
    assert told == done
    sizes = {removal.what: removal.bytes for removal in done if removal.removed}
    assert sizes.keys() == {"version 1", "version 3", "half of version 4", f"candidate {candidate.prefix.split('/')[1][:12]}",
                            "instrument dddddddddddd"}  # fmt: skip
    assert sizes["instrument dddddddddddd"] == 320


def test_what_an_alias_names_what_is_newest_and_what_is_young_stays(
    registry: ObjectStore, candidate: Candidate
) -> None:
    released(candidate, registry, "run-6", created_at=NOW)
    found = reasons(collect(STRICT, under_way=False, now=NOW, apply=True, store=registry))
    assert found["version 2"] == "champion now"
    assert found["version 6"] == "among the newest 1"
    assert list_versions(store=registry) == [2, 6]
    assert verify_version.fn(read_alias("champion", store=registry).manifest, kind=KIND, store=registry)


def test_the_last_entries_of_the_log_keep_what_they_name(registry: ObjectStore) -> None:
    assert collected(registry, Retention(versions=1, age=timedelta(days=30), entries=3)) == {"version 1", "version 4"}


def test_a_champion_that_was_champion_before_is_kept_as_what_it_is_now(registry: ObjectStore) -> None:
    kept = Retention(versions=1, age=timedelta(days=30), entries=4)
    found = reasons(collect(kept, under_way=False, now=NOW, apply=False, store=registry))
    assert (found["version 2"], found["version 3"]) == ("champion now", "in champion's last 4 entries")


def test_what_lies_among_the_versions_and_is_none_stays_and_a_marker_goes_behind_what_it_holds(
    registry: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, marker = registry.keys.versions + "notes/read-me", registry.keys.version(4)
    for key in (notes, marker):
        registry.put_bytes(key, b"")
    gone: list[str] = []
    delete = registry.delete

    def and_note(key: str) -> None:
        gone.append(key)
        delete(key)

    monkeypatch.setattr(registry, "delete", and_note)
    collected(registry, now=NOW + timedelta(days=60))
    assert [key for key in gone if key.startswith(marker)][-1] == marker
    assert registry.exists(notes)


def test_an_audit_after_gc_fits_and_knows_who_deleted_what(registry: ObjectStore) -> None:
    collected(registry)
    assert audit((), alias="champion", deep=True, store=registry).misfits == ()


def test_a_deleted_version_cannot_be_promoted_and_its_number_is_not_given_out_again(
    registry: ObjectStore, candidate: Candidate
) -> None:
    manifests = released(candidate, registry, "run-4", created_at=OLD)
    collected(registry)
    with pytest.raises(SpecError, match="version 4 was deleted"):
        moved(manifests, 2, registry, "late")
    assert released(candidate, registry, "run-7").version == 6


def test_a_version_that_an_alias_is_being_moved_to_stays(registry: ObjectStore) -> None:
    registry.put_bytes(registry.keys.move(4, "token"), b'{"at": "%s"}' % NOW.isoformat().encode())
    assert "version 4" not in collected(registry)
    assert not registry.list_keys(registry.keys.tombstones_of(4))


def test_an_announcement_that_a_dead_process_left_behind_keeps_nothing_for_ever(registry: ObjectStore) -> None:
    registry.put_bytes(registry.keys.move(4, "token"), b'{"at": "%s"}' % OLD.isoformat().encode())
    assert "version 4" in collected(registry)


def test_a_promotion_between_the_look_and_the_deletion_wins(
    registry: ObjectStore, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = released(candidate, registry, "run-4", created_at=OLD)
    original = retention.entomb

    def promoted_first(version: int, **options: object) -> str | None:
        if version == 4:
            moved(manifest, 2, registry, "at-the-same-time")
        return original(version, **options)

    monkeypatch.setattr(retention, "entomb", promoted_first)
    assert "version 4" not in collected(registry)
    assert read_alias("champion", store=registry).version == 4
    assert not registry.list_keys(registry.keys.tombstones_of(4))


def there_and_back(manifest: Manifest, store: ObjectStore) -> None:
    moved(manifest, 2, store, "there")
    moved(read_version(2, store=store), manifest.version, store, "and-back")


def approved_late(manifest: Manifest, store: ObjectStore) -> None:
    asked(manifest, store, now=OLD)
    question = find_question(manifest.version, store=store)
    assert question is not None
    give_answer.fn(question, "approve", why="", forced=True, rated=None, sheets=(), now=NOW, store=store)


@pytest.mark.parametrize(
    ("meanwhile", "because"),
    [(there_and_back, "in champion's last 10 entries"), (approved_late, "it was approved, and is not champion yet")],
)
def test_what_the_log_or_a_yes_began_to_name_since_gc_looked_stays(
    meanwhile: Callable[[Manifest, ObjectStore], None], because: str, registry: ObjectStore, candidate: Candidate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    manifest = released(candidate, registry, "run-4", created_at=OLD)
    original = retention.entomb

    def something_first(version: int, **options: object) -> str | None:
        meanwhile(manifest, registry)
        return original(version, **options)

    monkeypatch.setattr(retention, "entomb", something_first)
    kept = Retention(versions=1, age=timedelta(days=30), entries=10)
    found = reasons(collect(kept, under_way=False, now=NOW, apply=True, store=registry))
    assert found["version 4"] == because
    assert list_versions(store=registry) == [1, 2, 3, 4, 5]
    assert not registry.list_keys(registry.keys.tombstones_of(4))


def test_what_a_console_or_a_file_manager_put_between_our_objects_is_no_version_and_no_entry(
    registry: ObjectStore, candidate: Candidate
) -> None:
    """Mounts (s3fs) and consoles mark folders by empty objects; a marker sorts before the newest entry of a log."""
    keys, stray = registry.keys, (b"", b"notes", b"notes")
    folders = (
        keys.claims, keys.versions, keys.approvals, keys.tombstones, keys.aliases, keys.alias("champion"), keys.moves,
        keys.candidates, keys.instruments, f"{keys.stages}candidate/", keys.jobs, keys.history, keys.labels, keys.requests,
    )  # fmt: skip
    for folder in folders:
        for name, data in zip(("", ".DS_Store", "Thumbs.db"), stray, strict=True):
            registry.put_bytes(folder + name, data)
    for number in range(1, 6):
        registry.put_bytes(keys.version(number), b"")
    champion = read_alias("champion", store=registry)
    assert champion is not None
    assert champion.version == 2
    assert released(candidate, registry, "run-6").version == 6
    assert {line.version: line.aliases for line in describe_versions(now=NOW, store=registry)}[2] == ("champion",)
    assert (read_history(store=registry), read_requests(registry)) == ((), {})
    assert audit((), alias="champion", deep=True, store=registry).misfits == ()
    later, gone = NOW + timedelta(days=60), {"version 1", "version 3", "version 4", "version 5"}
    assert {what for what in collected(registry, now=later) if not what.startswith("candidate")} == gone
    assert collected(registry, now=later) == set()
    assert audit((), alias="champion", deep=True, store=registry).misfits == ()


def test_a_file_managers_notes_are_no_alias_that_a_spec_is_told_of(registry: ObjectStore) -> None:
    registry.put_bytes(registry.keys.aliases + ".DS_Store", b"notes")
    with pytest.raises(NoChampion, match="versions are named by champion: write that"):
        require_alias("production", store=registry)


def test_gc_reads_no_log_anew_for_each_version_that_it_deletes(store: ObjectStore, tmp_path: Path) -> None:
    reads = [reads_of_a_gc_of(number, tmp_path, store) for number in (2, 3, 4)]
    assert reads[2] - reads[1] == reads[1] - reads[0]


def reads_of_a_gc_of(number: int, folder: Path, store: ObjectStore) -> int:
    """Of a model with so many versions, each approved and champion, of which one stays."""
    store.prefix = f"models/of-{number}/"
    candidate = stored_candidate(store, folder / str(number))
    for version in range(1, number + 1):
        manifest = released(candidate, store, f"run-{version}", created_at=OLD)
        approved_late(manifest, store)
        moved(manifest, version - 1 or None, store, f"run-{version}")
    reads: list[object] = []
    store.client.meta.events.register("before-call.s3.GetObject", lambda **call: reads.append(call))
    assert len(collected(store)) == number - 1
    return len(reads)


def cut(key: str, store: ObjectStore, *, to: bytes = b'{"prefix": "candi') -> str:
    store.put_bytes(key, to)
    return key


def changed(key: str, store: ObjectStore) -> str:
    flip(store, key, byte=-10)
    return key


@pytest.mark.parametrize("blobs", [Kept(timedelta(days=30)), None])
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda store: cut(store.keys.stage("candidate", "d" * 64), store), "is no JSON .*Nothing was deleted"),
        (lambda store: cut(store.keys.result("d" * 64), store), "is no JSON .*Nothing was deleted"),
        (lambda store: cut(store.keys.move(5, "cut"), store), "says no moment .*Nothing was deleted"),
        (lambda store: cut(store.keys.tombstone(5, "cut"), store), "says no moment .*Nothing was deleted"),
        (
            lambda store: cut(store.keys.move(5, "of no zone"), store, to=b'{"at": "2026-11-30T00:00:00"}'),
            "says no moment .*Nothing was deleted",
        ),
        (lambda store: changed(store.keys.manifest(5), store), "its seal does not fit"),
        (lambda store: changed(store.keys.question(5), store), "its seal does not fit"),
        (lambda store: changed(store.keys.generation("champion", 1), store), "its seal does not fit"),
    ],
)
def test_where_a_record_cannot_be_read_it_is_named_and_nothing_is_deleted(
    spoil: Callable[[ObjectStore], str], told: str, blobs: Kept | None, registry: ObjectStore
) -> None:
    asked(read_version(5, store=registry), registry, now=OLD)
    blob("unnamed", registry)
    key, kept, later = spoil(registry), replace(STRICT, blobs=blobs), NOW + timedelta(days=60)
    before = registry.list_keys("")
    for apply in (False, True):
        with pytest.raises(CorruptObject, match=rf"{registry.uri(key)} .*{told}"):
            collected(registry, kept, apply=apply, now=later)
        assert registry.list_keys("") == before


def test_a_version_whose_manifest_cannot_be_restored_goes_by_the_way_that_gc_names(registry: ObjectStore) -> None:
    manifest, later = changed(registry.keys.manifest(4), registry), NOW + timedelta(days=60)
    with pytest.raises(
        CorruptObject, match=rf"Nothing was deleted.* no alias names version 4 .*delete {registry.uri(manifest)}"
    ):
        collected(registry, now=later)
    registry.delete(manifest)
    assert {"version 1", "version 3", "half of version 4"} <= collected(registry, now=later)
    assert registry.list_keys(registry.keys.version(4)) == []


def test_a_deletion_that_was_killed_is_finished_by_the_next(registry: ObjectStore) -> None:
    registry.delete(registry.keys.manifest(4))
    found = collected(registry, now=NOW + timedelta(days=60))
    assert "half of version 4" in found
    assert not registry.list_keys(registry.keys.version(4))


def test_two_that_collect_at_once_do_not_stumble_over_one_another(
    registry: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def list_and_be_overtaken(*, store: ObjectStore) -> list[int]:
        found = list_versions(store=store)
        monkeypatch.setattr(retention, "list_versions", list_versions)
        assert "version 4" in collected(store)
        return found

    monkeypatch.setattr(retention, "list_versions", list_and_be_overtaken)
    assert collected(registry) == set()
    assert list_versions(store=registry) == [2, 5]


def test_half_a_version_stays_however_old_while_the_run_that_may_finish_it_is_open(registry: ObjectStore) -> None:
    registry.delete(registry.keys.manifest(4))
    later = NOW + timedelta(days=40)
    kept = collect(STRICT, under_way=True, now=later, apply=True, store=registry)
    assert "half of version 4" not in {removal.what for removal in kept}
    assert registry.exists(registry.keys.version(4) + "model.safetensors")
    assert "half of version 4" in collected(registry, now=later)
    assert not registry.exists(registry.keys.version(4) + "model.safetensors")


def test_half_a_version_of_today_is_a_release_in_progress(registry: ObjectStore) -> None:
    registry.delete(registry.keys.manifest(4))
    assert "half of version 4" not in collected(registry)


def test_an_old_candidate_goes_with_the_records_that_name_it_and_not_while_a_run_is_open(
    registry: ObjectStore, candidate: Candidate
) -> None:
    records = [registry.keys.stage(stage, "d" * 64) for stage in ("candidate", "adopt", "variants")]
    for record in records:
        registry.put_bytes(record, candidate.model_dump_json().encode())
    result, other = (registry.keys.result(letter * 64) for letter in "ef")
    registry.put_bytes(result, json.dumps({"came_to": {"candidate": candidate.model_dump(mode="json")}}).encode())
    registry.put_bytes(other, b'{"model_digest": "scores"}')
    later = NOW + timedelta(days=60)
    collect(STRICT, under_way=True, now=later, apply=True, store=registry)
    assert all(registry.exists(record) for record in records)
    collect(STRICT, under_way=False, now=later, apply=True, store=registry)
    assert not registry.list_keys(registry.keys.candidates) and not any(map(registry.exists, records))
    assert not registry.exists(result) and registry.exists(other)


def test_a_candidate_counts_as_old_from_its_last_file_on(store: ObjectStore) -> None:
    store.put_bytes(f"{store.keys.candidates}{'c' * 64}/config.json", b"{}")
    time.sleep(2.1)  # the store's clock shows whole seconds
    between = datetime.now(UTC) - timedelta(seconds=1)
    store.put_bytes(f"{store.keys.candidates}{'c' * 64}/model.safetensors", b"{}")
    assert collected(store, now=between + STRICT.age) == set()
    assert collected(store, now=between + STRICT.age + timedelta(seconds=5)) == {"candidate cccccccccccc"}


def test_a_model_that_no_run_measures_with_any_more_goes_and_not_while_a_run_is_open(registry: ObjectStore) -> None:
    files = [f"{registry.keys.instruments}{'d' * 64}/{name}" for name in ("config.json", "model.safetensors")]
    for file in files:
        registry.put_bytes(file, b"{}")
    assert not any(what.startswith("instrument") for what in collected(registry)), "it is young"
    later = NOW + timedelta(days=60)
    collect(STRICT, under_way=True, now=later, apply=True, store=registry)
    assert all(map(registry.exists, files))
    assert "instrument dddddddddddd" in collected(registry, now=later)
    assert not any(map(registry.exists, files))


def test_announcements_of_processes_that_died_are_deleted(registry: ObjectStore) -> None:
    registry.put_bytes(registry.keys.move(2, "dead"), b'{"at": "2020-01-01T00:00:00+00:00"}')
    registry.put_bytes(registry.keys.move(2, "alive"), f'{{"at": "{NOW.isoformat()}"}}'.encode())
    collected(registry)
    assert registry.list_keys("moves/") == [registry.keys.move(2, "alive")]


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_gc_that_stood_still_between_its_tombstone_and_the_deletion_leaves_the_version_whole(
    clock: str, registry: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = retention.entomb

    def fall_asleep(version: int, **options: object) -> str | None:
        stone = original(version, **options)
        asleep(monkeypatch, clock, hours=13)
        return stone

    monkeypatch.setattr(retention, "entomb", fall_asleep)
    with pytest.raises(StoreError, match=r"stood still for 13:00:.* Nothing is half done: run again"):
        collected(registry)
    assert audit((), alias="champion", deep=True, store=registry).misfits == ()
    monkeypatch.undo()
    assert collected(registry) == {"version 1", "version 3", "version 4"}


@pytest.mark.parametrize("clock", CLOCKS)
def test_who_stood_still_after_he_announced_a_move_does_not_move(
    clock: str, registry: ObjectStore, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a day, gc would have forgotten his announcement, and deleted the version."""
    manifest, exists = released(candidate, registry, "run-4", created_at=OLD), moving.is_entombed

    def fall_asleep(version: int, **options: object) -> bool:
        asleep(monkeypatch, clock, hours=13)
        return exists(version, **options)

    monkeypatch.setattr(moving, "is_entombed", fall_asleep)
    with pytest.raises(StoreError, match=r"stood still for 13:00:"):
        moved(manifest, 2, registry, "late")
    assert read_alias("champion", store=registry).version == 2
    assert not registry.list_keys("moves/")
