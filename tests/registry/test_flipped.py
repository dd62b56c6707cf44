"""One byte is changed in each stored object of two releases, one object after the other, on the real server."""

from pathlib import Path

import pytest

from errors import CorruptObject
from infra.object_store import ObjectStore
from tasks.registry.aliases import read_alias
from tasks.registry.audit import audit
from tasks.registry.checks import verify_version
from tests.registry.conftest import NewAddress, opened
from tests.releases import KIND, flip, moved, released, stored_candidate


@pytest.fixture
def registry(address: NewAddress, tmp_path: Path) -> ObjectStore:
    """Version 2 is champion, version 1 was before."""
    store = opened(address())
    candidate = stored_candidate(store, tmp_path / "model")
    moved(released(candidate, store), None, store)
    moved(released(candidate, store, "run-2"), 1, store, "run-2")
    return store


def loaded(store: ObjectStore) -> None:
    release = read_alias("champion", store=store)
    assert release is not None
    verify_version.fn(release.manifest, kind=KIND, store=store)


def test_a_flipped_byte_in_any_object_of_the_champion_is_found_before_it_is_loaded(registry: ObjectStore) -> None:
    keys = [*registry.list_keys("versions/000002/"), registry.keys.generation("champion", 2)]
    assert len(keys) > 6
    for key in keys:
        whole = registry.get_bytes(key)
        flip(registry, key, byte=len(whole) // 2)
        with pytest.raises(CorruptObject):
            loaded(registry)
        registry.put_bytes(key, whole)
    loaded(registry)


def test_a_flipped_byte_in_any_object_at_all_is_named_by_the_audit(registry: ObjectStore) -> None:
    keys = [*registry.list_keys("versions/"), *registry.list_keys("aliases/")]
    for key in keys:
        whole = registry.get_bytes(key)
        flip(registry, key, byte=len(whole) // 3)
        misfits = audit((), alias="champion", deep=True, store=registry).misfits
        assert registry.uri(key) in {misfit.uri for misfit in misfits}, key
        registry.put_bytes(key, whole)
    assert audit((), alias="champion", deep=True, store=registry).misfits == ()
