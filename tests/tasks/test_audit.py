"""An audit of a sound registry finds nothing; of a broken one, the first object that does not fit."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import tasks.registry.audit as module
from infra.files import Stored
from infra.object_store import ObjectStore
from infra.sealed import sealed, unsealed
from models.contracts import Audit, HistoryEntry, Manifest, Outcome
from tasks.registry.audit import audit
from tasks.registry.moving import entomb
from tasks.registry.versions import read_version
from tests.judged import entry
from tests.releases import flip, moved, released, stored_candidate


@pytest.fixture
def registry(store: ObjectStore, tmp_path: Path) -> ObjectStore:
    """Versions 1 to 3, each of which was champion."""
    candidate = stored_candidate(store, tmp_path / "model")
    for number in (1, 2, 3):
        manifest = released(candidate, store, f"run-{number}")
        moved(manifest, number - 1 or None, store, f"run-{number}")
    return store


def audited(store: ObjectStore, *, deep: bool = False, history: tuple[HistoryEntry, ...] = ()) -> Audit:
    return audit(history, alias="champion", deep=deep, store=store)


def first_problem(store: ObjectStore, *, deep: bool = False) -> tuple[str, str]:
    misfit = audited(store, deep=deep).misfits[0]
    return store.key_of(misfit.uri), misfit.problem


def test_a_sound_registry_fits(registry: ObjectStore) -> None:
    found = audited(registry, deep=True)
    assert (found.entries, found.versions, found.misfits) == (3, 3, ())
    assert found.files == sum(len(read_version(number, store=registry).files) for number in (1, 2, 3))


def test_a_changed_entry_is_pointed_at(registry: ObjectStore) -> None:
    flip(registry, registry.keys.generation("champion", 2), byte=40)
    key, problem = first_problem(registry)
    assert key == registry.keys.generation("champion", 2)
    assert "seal" in problem


def test_of_a_run_whose_entry_in_a_log_cannot_be_read_it_is_not_said_that_the_entry_was_deleted_for_sure(
    registry: ObjectStore,
) -> None:
    flip(registry, registry.keys.generation("champion", 3), byte=40)
    run = entry(1, sequence=1, run_id="run-3", outcome="promoted", champion_version=3)
    _, told = audited(registry, history=(run,)).misfits
    assert told.problem.endswith("was deleted, or is not what was written")


def test_behind_a_changed_entry_the_next_is_held_against_its_bytes_and_not_against_the_one_before(
    registry: ObjectStore,
) -> None:
    flip(registry, registry.keys.generation("champion", 2), byte=40)
    found = [
        (registry.key_of(misfit.uri)[-15:], misfit.problem.partition(":")[0]) for misfit in audited(registry).misfits
    ]
    assert found == [
        ("9999999997.json", "the entry is not what was written"),
        ("9999999996.json", "its hash of the entry before is not that entry's"),
    ]


def test_an_entry_that_was_rewritten_with_a_new_seal_breaks_the_chain_after_it(registry: ObjectStore) -> None:
    from models.contracts import AliasEntry

    key = registry.keys.generation("champion", 2)
    entry = unsealed(AliasEntry, registry.get_bytes(key), uri=key)
    registry.put_bytes(key, sealed(entry.model_copy(update={"why": "another reason"})))
    found, problem = first_problem(registry)
    assert found == registry.keys.generation("champion", 3)
    assert "changed, deleted or put in between" in problem


def test_an_entry_that_is_put_under_another_alias_is_pointed_at(registry: ObjectStore) -> None:
    key = registry.keys.generation("production", 1)
    registry.put_bytes(key, registry.get_bytes(registry.keys.generation("champion", 1)))
    (misfit,) = audited(registry).misfits
    assert registry.key_of(misfit.uri) == key
    assert "generation 1 of alias 'champion': it was written elsewhere" in misfit.problem


def test_a_newest_entry_that_was_rewritten_to_follow_another_version_is_pointed_at(registry: ObjectStore) -> None:
    from models.contracts import AliasEntry

    key = registry.keys.generation("champion", 3)
    entry = unsealed(AliasEntry, registry.get_bytes(key), uri=key)
    registry.put_bytes(key, sealed(entry.model_copy(update={"previous_version": 1})))
    found, problem = first_problem(registry)
    assert found == key
    assert "follows version 1 as generation 3; before it is version 2 as generation 2" in problem


def test_an_entry_that_is_put_behind_the_newest_once_more_is_pointed_at(registry: ObjectStore) -> None:
    key = registry.keys.generation("champion", 4)
    registry.put_bytes(key, registry.get_bytes(registry.keys.generation("champion", 1)))
    found, problem = first_problem(registry)
    assert found == key
    assert "the entry is generation 1 of alias 'champion': it was written elsewhere" in problem


def test_a_generation_that_is_left_out_is_noticed_though_every_hash_fits(registry: ObjectStore) -> None:
    from models.contracts import AliasEntry

    key, later = (registry.keys.generation("champion", number) for number in (3, 4))
    entry = unsealed(AliasEntry, registry.get_bytes(key), uri=key)
    registry.put_bytes(later, sealed(entry.model_copy(update={"generation": 4})))
    registry.delete(key)
    (misfit,) = audited(registry).misfits
    assert misfit.problem == "it follows version 2 as generation 4; before it is version 2 as generation 2"


def test_a_deleted_entry_breaks_the_chain(registry: ObjectStore) -> None:
    registry.delete(registry.keys.generation("champion", 2))
    assert first_problem(registry)[0] == registry.keys.generation("champion", 3)


def test_a_log_whose_beginning_was_deleted_is_noticed(registry: ObjectStore) -> None:
    registry.delete(registry.keys.generation("champion", 1))
    assert "entries before were deleted" in first_problem(registry)[1]


def test_a_log_whose_end_was_cut_off_is_noticed_by_the_history(registry: ObjectStore) -> None:
    run = entry(3, run_id="run-3", outcome=Outcome.RELEASED)
    assert audited(registry, history=(run,)).misfits == ()
    registry.delete(registry.keys.generation("champion", 3))
    (misfit,) = audited(registry, history=(run,)).misfits
    assert "no entry of the alias' log says so" in misfit.problem


def test_a_log_that_was_deleted_as_a_whole_is_noticed_by_the_history(registry: ObjectStore) -> None:
    outcomes = (Outcome.RELEASED, Outcome.ROLLED_BACK, Outcome.PROMOTED, Outcome.BOOTSTRAPPED)
    runs = tuple(
        entry(n, run_id=f"run-{n}", outcome=outcome) for n, outcome in zip((4, 3, 2, 1), outcomes, strict=True)
    )
    for key in registry.list_keys(registry.keys.aliases):
        registry.delete(key)
    found = audited(registry, history=runs)
    assert found.entries == 0
    assert ["no entry of the alias' log says so" in misfit.problem for misfit in found.misfits] == [True] * 4


def test_a_run_that_moved_an_alias_of_another_name_fits(registry: ObjectStore) -> None:
    moved(read_version(3, store=registry), None, registry, "run-4", alias="production")
    runs = tuple(entry(n, run_id=f"run-{n}", outcome=Outcome.RELEASED) for n in (4, 3, 2, 1))
    assert audited(registry, history=runs).misfits == ()


def test_another_manifest_is_noticed_by_the_entry_that_names_it(registry: ObjectStore) -> None:
    key = registry.keys.manifest(1)
    registry.put_bytes(key, registry.get_bytes(registry.keys.manifest(2)))
    assert "another manifest of version 1" in first_problem(registry)[1]


def test_the_manifest_of_another_version_is_noticed_also_where_no_entry_names_it(
    registry: ObjectStore, tmp_path: Path
) -> None:
    released(stored_candidate(registry, tmp_path / "model"), registry, "run-4")
    registry.put_bytes(registry.keys.manifest(4), registry.get_bytes(registry.keys.manifest(2)))
    (misfit,) = audited(registry, deep=True).misfits
    assert registry.key_of(misfit.uri) == registry.keys.manifest(4)
    assert "the manifest is of 'test' version 2" in misfit.problem


def test_a_version_that_an_entry_names_and_nobody_deleted_is_missed(registry: ObjectStore) -> None:
    for key in registry.list_keys(registry.keys.version(1)):
        registry.delete(key)
    found, problem = first_problem(registry)
    assert found == registry.keys.generation("champion", 1)
    assert "names version 1, whose manifest is gone, and `upkeep gc` did not delete it" in problem


def test_a_missing_a_shorter_and_a_strange_file_are_found_by_a_listing(registry: ObjectStore) -> None:
    prefix = registry.keys.version(2)
    registry.delete(prefix + "config.json")
    registry.put_bytes(prefix + "README.md", b"short")
    registry.put_bytes(prefix + "extra.py", b"import os")
    assert {registry.key_of(m.uri).removeprefix(prefix): m.problem.split(" ")[0] for m in audited(registry).misfits} == {
        "config.json": "the", "README.md": "the", "extra.py": "the",
    }  # fmt: skip


def test_a_flipped_byte_in_a_file_is_found_by_a_deep_audit(registry: ObjectStore) -> None:
    flip(registry, registry.keys.version(3) + "model.safetensors")
    assert audited(registry).misfits == ()
    key, problem = first_problem(registry, deep=True)
    assert key == registry.keys.version(3) + "model.safetensors"
    assert "SHA-256" in problem


def test_every_byte_of_an_entry_counts(registry: ObjectStore) -> None:
    key = registry.keys.generation("champion", 3)
    whole = registry.get_bytes(key)
    for place in range(0, len(whole), 29):
        flip(registry, key, byte=place)
        assert first_problem(registry)[0] == key, place
        registry.put_bytes(key, whole)
    assert json.loads(whole)["version"] == 3


@pytest.mark.parametrize("before", ["_manifest", "_files", "_file_by_file", "_signature"])
@pytest.mark.parametrize("by_gc", [True, False])
def test_a_version_that_gc_deletes_while_it_is_audited_is_no_misfit_and_one_that_somebody_deletes_is(
    before: str, by_gc: bool, registry: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 1 goes right before that part of its audit."""
    done: list[int] = []

    def deleted(version: int) -> None:
        if version == 1 and not done:
            done.append(version)
            if by_gc:
                entomb(1, now=datetime.now(UTC), store=registry)
            for key in registry.list_keys(registry.keys.version(1)):
                registry.delete(key)

    if before == "_file_by_file":
        whole = ObjectStore.is_whole

        def is_whole(self: ObjectStore, located: Stored) -> bool:
            deleted(1)
            return whole(self, located)

        monkeypatch.setattr(ObjectStore, "is_whole", is_whole)
    else:
        part = getattr(module, before)

        def late(of: Manifest | int, *rest: Any, **options: Any) -> Any:
            deleted(of if isinstance(of, int) else of.version)
            return part(of, *rest, **options)

        monkeypatch.setattr(module, before, late)
    found = [misfit.uri for misfit in audited(registry, deep=True).misfits]
    assert done == [1]
    assert any("/versions/000001/" in uri for uri in found) is (not by_gc and before != "_signature")
