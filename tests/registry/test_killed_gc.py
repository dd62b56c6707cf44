"""SIGKILL at every request of `upkeep gc`, once its answer has come. The requests follow one another, so that a death
before one leaves is a death after the one before; of one that is on its way, the store does all or nothing. Most only
read: where a death left what the death before left, the checks are not made again."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.object_store import ObjectStore
from tasks.registry.aliases import list_aliases, require_alias
from tasks.registry.audit import audit
from tasks.registry.checks import verify_version
from tasks.registry.generations import move_alias
from tests.infra.transfers import uploads_under_way
from tests.registry.conftest import Address, NewAddress, opened
from tests.registry.nursery import AFTER, DIED, LIVED, Life, Nursery, garbage
from tests.releases import KIND, moved, released, stored_candidate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
LONG_AGO = b'{"at": "2020-01-01T00:00:00+00:00"}'
LEAST, MOST, STATES = 60, 200, 20
"""Requests of one gc that has something of every kind to delete, and what they leave."""


class Garbage:
    """A registry as it was written, which comes back as often as it is asked for: 2 is champion, 3 is `fallback` and has
    the tombstone of a gc that was killed, 4 is the newest. To be deleted: 1, half of 5, a candidate, an upload."""

    def __init__(self, address: Address, folder: Path) -> None:
        self.address, self.store = address, opened(address)
        store, keys = self.store, self.store.keys
        candidate = stored_candidate(store, folder)
        manifests = [released(candidate, store, f"run-{number}") for number in range(1, 6)]
        moved(manifests[0], None, store, "first")
        moved(manifests[1], 1, store, "second")
        move_alias.fn(manifests[2], alias="fallback", expected=None, run_id="third", why="test", store=store)
        store.delete(keys.manifest(5))
        store.put_bytes(keys.tombstone(3, "killed"), LONG_AGO)
        store.put_bytes(keys.move(2, "killed"), LONG_AGO)
        store.put_bytes(keys.stage("candidate", "d" * 64), candidate.model_dump_json().encode())
        self.written = {key: store.get_bytes(key) for key in store.list_keys("")}

    def brought_back(self) -> None:
        there = set(self.store.list_keys(""))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self.store.delete, there - set(self.written)))
            list(pool.map(lambda key: self.store.put_bytes(key, self.written[key]), set(self.written) - there))
        if not uploads_under_way(self.store):
            self.store.client.create_multipart_upload(
                Bucket=self.store.bucket, Key=self.store.prefix + "candidates/x/y"
            )


def every_alias_loads_and_all_fits(store: ObjectStore) -> dict[str, int]:
    """What each alias names, once every byte of it was read, and it was loaded."""
    named = {alias: require_alias(alias, store=store).manifest for alias in list_aliases(store=store)}
    for manifest in named.values():
        verify_version.fn(manifest, kind=KIND, store=store)
    assert audit((), alias="champion", deep=True, store=store).misfits == ()
    return {alias: manifest.version for alias, manifest in named.items()}


def left(store: ObjectStore) -> set[str]:
    """Every key and upload; of a tombstone, of which there may be several, the version that it is on."""
    stones = store.keys.tombstones
    named = {key.partition("-")[0] if key.startswith(stones) else key for key in store.list_keys("")}
    return named | {f"upload of {key}" for key in uploads_under_way(store)}


def test_whenever_gc_is_killed_every_alias_names_a_whole_version_and_the_next_gc_finishes_the_work(
    births: Nursery, address: NewAddress, tmp_path: Path
) -> None:
    registry = Garbage(address(), tmp_path / "model")
    store = registry.store
    registry.brought_back()
    garbage(store)
    finished = left(store)
    assert {key.split("/")[1] for key in finished if key.startswith("versions/")} == {"000002", "000003", "000004"}
    assert {key for key in finished if key.startswith(("tombstones/", "candidates/", "moves/"))} == {
        "tombstones/000001"
    }
    states: list[set[str]] = []
    for died_at in range(1, MOST):
        registry.brought_back()
        status = births.live(Life("gc", registry.address, event=AFTER, dies_at=died_at))
        assert status in {DIED, LIVED}
        if (state := left(store)) not in states[-1:]:
            assert every_alias_loads_and_all_fits(store) == {"champion": 2, "fallback": 3}
            garbage(store)
            assert left(store) == finished
            states.append(state)
        if status == LIVED:
            break
    assert status == LIVED and died_at > LEAST
    assert states[-1] == finished and len(states) > STATES
