"""A dry run sees what is there and what it wrote itself, and changes nothing."""

import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from errors import CorruptObject, KeyTaken
from infra import object_store
from infra.api_keys import ApiKeys
from infra.copying import Duplicate
from infra.keys import RECORD
from infra.object_store import ObjectStore
from infra.overlay import OverlayStore, overlay
from infra.release_keys import ReleaseKeys
from tests.stores import copy


@pytest.fixture
def dry(store: ObjectStore) -> Iterator[OverlayStore]:
    store.put_bytes("a/1.json", b"one")
    with overlay(store) as found:
        found.put_bytes("a/2.json", b"two")
        yield found
    assert (store.list_keys(""), store.get_bytes("a/1.json")) == (["a/1.json"], b"one")


def test_what_is_there_or_was_written_is_not_created_once_more(dry: OverlayStore) -> None:
    for key in ("a/1.json", "a/2.json"):
        assert dry.exists(key)
        with pytest.raises(KeyTaken):
            dry.put_bytes(key, b"another", if_absent=True)
    assert not dry.exists("a/3.json")
    dry.put_bytes("a/3.json", b"three", if_absent=True)


def test_work_that_was_done_is_found_and_not_kept_young(dry: OverlayStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "USED_AGAIN", timedelta(days=-1))
    written = dry.below.list_objects(dry.uri(""))
    before = [found.modified for found in written]
    assert [dry.get_used(key) for key in ("a/1.json", "a/2.json")] == [b"one", b"two"]
    assert [found.modified for found in dry.below.list_objects(dry.uri(""))] == before


def test_a_listing_holds_both_in_order_as_many_and_so_named_as_was_asked(dry: OverlayStore) -> None:
    for key in ("a/0.json", "a/.DS_Store", "b/1.json"):
        dry.put_bytes(key, b"x")
    assert dry.list_keys("a/", named=RECORD) == ["a/0.json", "a/1.json", "a/2.json"]
    assert dry.list_keys("a/", named=RECORD, limit=2) == ["a/0.json", "a/1.json"]
    assert "a/.DS_Store" in dry.list_keys("a/")
    assert dry.list_keys("") == ["a/.DS_Store", "a/0.json", "a/1.json", "a/2.json", "b/1.json"]


def test_what_a_file_manager_left_in_the_store_is_no_record(store: ObjectStore) -> None:
    store.put_bytes("a/.DS_Store", b"x")
    with overlay(store) as dry:
        assert dry.list_keys("a/", named=RECORD) == []


def test_a_dry_run_demands_the_signatures_that_a_run_demands_and_has_its_keys(store: ObjectStore) -> None:
    store.release_keys, store.api_keys = ReleaseKeys(required=True), ApiKeys(SecretStr("key"))
    with overlay(store) as dry:
        assert (dry.release_keys, dry.api_keys) == (store.release_keys, store.api_keys)


def test_only_what_was_written_is_deleted(dry: OverlayStore) -> None:
    for key in ("a/1.json", "a/2.json"):
        dry.delete(key)
    assert dry.list_keys("a/") == ["a/1.json"]


def test_what_was_written_over_what_is_there_or_copied_from_it_is_read(dry: OverlayStore) -> None:
    dry.put_bytes("a/1.json", b"changed")
    copy(dry, "a/1.json", "a/3.json")
    assert [dry.get_bytes(f"a/{n}.json") for n in (1, 3)] == [b"changed"] * 2


@pytest.mark.parametrize("own", [True, False])
def test_a_copy_takes_the_memory_of_no_whole_file(own: bool, store: ObjectStore) -> None:
    large = bytes(20 << 20)
    with overlay(store) as dry:
        (dry if own else store).put_bytes("large", large)
        copies = [Duplicate(dry.uri("large"), dry.uri("new/copy"), len(large))]
        tracemalloc.start()
        try:
            dry.copy_files(copies)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < len(large) / 4 and dry.get_bytes("new/copy") == large
    assert not store.exists("new/copy")


def test_a_file_of_its_own_that_was_changed_is_refused(dry: OverlayStore, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    stored = dry.put_file("files/x", tmp_path / "x")
    dry.put_bytes("files/x", b"y")
    with pytest.raises(CorruptObject, match="was changed"):
        dry.get_file(stored)
