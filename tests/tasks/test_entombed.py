"""A gc that was killed between its tombstone and the deletion: what the next one does, and what others see meanwhile."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from errors import MissingObject, SpecError, StoreError
from infra.object_store import ObjectStore
from models.contracts import Candidate
from tasks.registry import moving
from tasks.registry.aliases import read_alias
from tasks.registry.audit import audit
from tasks.registry.checks import verify_version
from tasks.registry.comparing import describe_versions
from tasks.registry.pulling import pull
from tasks.registry.retention import collect
from tasks.registry.versions import list_versions, read_version
from tests.releases import KIND, moved, released, stored_candidate
from tests.tasks.test_retention import NOW, OLD, STRICT, aged, collected, reasons


@pytest.fixture
def candidate(store: ObjectStore, tmp_path: Path) -> Candidate:
    return stored_candidate(store, tmp_path / "model")


@pytest.fixture
def registry(store: ObjectStore, candidate: Candidate) -> ObjectStore:
    return aged(candidate, store)


def buried(version: int, at: datetime, store: ObjectStore) -> str:
    """The tombstone that a gc left which was killed."""
    key = store.keys.tombstone(version, "killed")
    store.put_bytes(key, json.dumps({"at": at.isoformat()}).encode())
    return key


def test_a_version_that_was_only_entombed_is_deleted_by_the_next_gc_where_it_is_still_unwanted(
    registry: ObjectStore,
) -> None:
    buried(4, OLD, registry)
    assert "version 4" in collected(registry)
    assert not registry.list_keys(registry.keys.version(4))
    assert registry.list_keys(registry.keys.tombstones_of(4))
    assert audit((), alias="champion", deep=True, store=registry).misfits == ()


@pytest.mark.parametrize(("version", "because"), [(2, "champion now"), (5, "among the newest 1")])
def test_an_old_tombstone_on_a_version_that_is_to_be_kept_is_taken_away_and_it_can_be_released_again(
    registry: ObjectStore, version: int, because: str
) -> None:
    stone = buried(version, OLD, registry)
    found = reasons(collect(STRICT, under_way=False, now=NOW, apply=False, store=registry))
    assert found[f"version {version}"].startswith(f"{because}; a gc began to delete it, which --apply takes back")
    assert registry.exists(stone)
    with pytest.raises(SpecError, match=f"began to delete version {version}.*No alias was moved"):
        moved(read_version(version, store=registry), 2, registry, "too-early")
    found = reasons(collect(STRICT, under_way=False, now=NOW, apply=True, store=registry))
    assert found[f"version {version}"] == f"{because}; a gc had begun to delete it, which was taken back"
    assert not registry.exists(stone)
    assert moved(read_version(version, store=registry), 2, registry, "now").version == version


def test_a_tombstone_that_a_running_gc_may_have_put_stays(registry: ObjectStore) -> None:
    stone = buried(5, NOW - timedelta(hours=23), registry)
    for apply in (False, True):
        found = reasons(collect(STRICT, under_way=False, now=NOW, apply=apply, store=registry))
        assert "less than a day ago: run again" in found["version 5"]
    assert registry.exists(stone)


def test_a_champion_with_a_tombstone_is_read_as_ever_and_listed_as_such(registry: ObjectStore) -> None:
    buried(2, OLD, registry)
    assert verify_version.fn(read_alias("champion", store=registry).manifest, kind=KIND, store=registry)
    assert [v.version for v in describe_versions(now=NOW, store=registry) if v.entombed] == [2]
    assert audit((), alias="champion", deep=True, store=registry).misfits == ()


def test_half_a_deletion_is_finished_by_the_next_gc_even_while_a_run_is_open(registry: ObjectStore) -> None:
    buried(4, NOW, registry)
    registry.delete(registry.keys.manifest(4))
    found = reasons(collect(STRICT, under_way=True, now=NOW, apply=True, store=registry))
    assert found["half of version 4"] == "its deletion was not finished"
    assert not registry.list_keys(registry.keys.version(4))


def test_who_reads_half_a_deleted_version_is_told_so_and_gets_no_half_of_it(
    registry: ObjectStore, tmp_path: Path
) -> None:
    manifest = read_version(4, store=registry)
    buried(4, NOW, registry)
    registry.delete(registry.keys.manifest(4))
    registry.delete(registry.keys.version(4) + "model.safetensors")
    with pytest.raises(SpecError, match=r"version 4 was deleted by `upkeep gc`; there are: \[1, 2, 3, 5\]"):
        read_version(4, store=registry)
    with pytest.raises(MissingObject, match=r"model.safetensors: nothing is stored there"):
        pull(manifest, tmp_path / "pulled", store=registry)
    assert not (tmp_path / "pulled").exists()


def test_a_run_that_goes_on_after_gc_began_to_delete_what_it_published_publishes_another_version(
    registry: ObjectStore, candidate: Candidate
) -> None:
    buried(4, NOW, registry)
    again = [released(candidate, registry, "run-4") for _ in range(2)]
    assert [manifest.version for manifest in again] == [6, 6]
    assert moved(again[0], 2, registry, "run-4").version == 6


def test_a_run_that_would_publish_into_what_gc_deletes_at_that_moment_is_told_to_run_again(
    registry: ObjectStore, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    exists = registry.exists

    def deleted_first(key: str) -> bool:
        if key == registry.keys.manifest(4) and exists(key):
            assert "version 4" in collected(registry)
        return exists(key)

    monkeypatch.setattr(registry, "exists", deleted_first)
    with pytest.raises(StoreError, match=r"deleted version 4 at this very moment\. Nothing was changed; run again"):
        released(candidate, registry, "run-4")
    assert not registry.list_keys(registry.keys.version(4))
    assert released(candidate, registry, "run-4").version == 6


def test_a_gc_that_comes_right_after_a_move_looked_for_tombstones_sees_the_announcement(
    registry: ObjectStore, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = moving.is_entombed

    def and_gc_comes(version: int, *, store: ObjectStore) -> bool:
        found = look(version, store=store)
        assert "version 4" not in collected(store)
        return found

    monkeypatch.setattr(moving, "is_entombed", and_gc_comes)
    assert moved(read_version(4, store=registry), 2, registry, "now").version == 4
    assert read_alias("champion", store=registry).version == 4 in list_versions(store=registry)


def test_a_move_that_comes_right_after_a_gc_looked_for_announcements_sees_the_tombstone(
    registry: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, look = read_version(4, store=registry), registry.list_keys

    def and_a_move_comes(prefix: str, **options: object) -> list[str]:
        found = look(prefix, **options)
        if prefix == registry.keys.moves_to(4):
            with pytest.raises(SpecError, match="began to delete version 4"):
                moved(manifest, 2, registry, "now")
        return found

    monkeypatch.setattr(registry, "list_keys", and_a_move_comes)
    assert "version 4" in collected(registry)
    assert read_alias("champion", store=registry).version == 2


def test_a_tombstone_is_as_old_as_itself_and_not_as_its_gc(registry: ObjectStore) -> None:
    moving.entomb(5, now=OLD, store=registry)
    assert not moving.exhume(5, now=NOW, apply=True, store=registry)
    assert moving.is_entombed(5, store=registry)


def test_an_announcement_that_is_taken_back_while_gc_looks_keeps_nothing(
    registry: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    announcement, look = registry.keys.move(4, "token"), registry.list_keys
    registry.put_bytes(announcement, json.dumps({"at": NOW.isoformat()}).encode())

    def and_it_is_taken_back(prefix: str, **options: object) -> list[str]:
        found = look(prefix, **options)
        if prefix == registry.keys.moves_to(4):
            registry.delete(announcement)
        return found

    monkeypatch.setattr(registry, "list_keys", and_it_is_taken_back)
    assert "version 4" in collected(registry)


def test_an_announcement_that_cannot_be_taken_back_fails_no_move(
    registry: ObjectStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    delete = registry.delete

    def refuse(key: str) -> None:
        if key.startswith(registry.keys.moves):
            raise StoreError("access denied")
        delete(key)

    monkeypatch.setattr(registry, "delete", refuse)
    assert moved(read_version(4, store=registry), 2, registry, "now").version == 4
    assert "stays: access denied" in caplog.text


def test_a_version_that_gc_deletes_while_it_is_verified_is_told_as_deleted_and_not_as_a_missing_file(
    registry: ObjectStore,
) -> None:
    manifest = read_version(4, store=registry)
    assert "version 4" in collected(registry)
    with pytest.raises(SpecError, match=r"version 4 was deleted by `upkeep gc`; there are: \[2, 5\]"):
        verify_version.fn(manifest, kind=KIND, store=registry)
