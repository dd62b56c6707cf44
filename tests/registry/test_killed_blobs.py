"""SIGKILL at every request of a gc of blobs, once its answer has come (see test_killed_gc.py for why that is enough).

After each death a run comes that makes or finds every blob again, and names them; and gc comes, again and again."""

import pytest

from infra.object_store import ObjectStore
from tests.registry.conftest import Address, NewAddress, opened
from tests.registry.nursery import AFTER, DIED, LIVED, Life, Nursery, unnamed_blobs
from tests.runs_with_blobs import Run, blob, made

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NAMED, STAGED, UNNAMED, RIPE, GONE = "named", "staged", "unnamed", "given up", "deleted"
TEXTS = [f"{text} {n}" for text in (NAMED, STAGED, UNNAMED, RIPE, GONE) for n in (1, 2)]
LEAST, MOST, STATES = 15, 100, 10
"""Requests of one gc that has two of everything to do, and what they leave."""
TO_THE_END = 3
"""So many gcs after a death leave nothing to be done."""


class Litter:
    """A store as it was written, which comes back as often as it is asked for. A run that ended names blobs, of which
    the second has a mark; of the others some are found through old stages, some are given up, some are gone."""

    def __init__(self, address: Address) -> None:
        self.address, self.store = address, opened(address)
        self.ended = Run("ended", self.store).begin([])
        self.ended.found = [blob(f"{NAMED} {n}", self.store) for n in (1, 2)]
        self.ended.end()
        for n in (1, 2):
            made(f"{STAGED} {n}", store=self.store)
            blob(f"{UNNAMED} {n}", self.store)
            self.give_up(f"{RIPE} {n}")
            self.store.delete(self.give_up(f"{GONE} {n}"))
        self.give_up(f"{NAMED} 2")
        self.written = {key: self.store.get_bytes(key) for key in self.store.list_keys("")}

    def give_up(self, text: str) -> str:
        key = self.store.key_of(blob(text, self.store).uri)
        self.store.put_bytes(key + self.store.keys.given_up, b"{}")
        return key

    def brought_back(self) -> None:
        for key in set(self.store.list_keys("")) - set(self.written):
            self.store.delete(key)
        for key in set(self.written) - set(self.store.list_keys("")):
            self.store.put_bytes(key, self.written[key])


def finished(store: ObjectStore) -> set[str]:
    """What is left once there is nothing more to be done."""
    for _ in range(TO_THE_END):
        unnamed_blobs(store)
    return set(store.list_keys(""))


def test_whenever_gc_is_killed_the_next_run_and_all_before_it_have_their_blobs_and_the_next_gcs_finish_the_work(
    births: Nursery, address: NewAddress
) -> None:
    litter = Litter(address())
    store = litter.store
    end = finished(store)
    assert len([key for key in end if key.startswith("blobs/")]) == 3, "two blobs are named, one of them has a mark"
    states: list[set[str]] = []
    for died_at in range(1, MOST):
        litter.brought_back()
        status = births.live(Life("gc of blobs", litter.address, event=AFTER, dies_at=died_at))
        assert status in {DIED, LIVED}
        if (state := set(store.list_keys(""))) not in states[-1:]:
            assert litter.ended.has_all()
            assert finished(store) == end
            litter.brought_back()
            assert births.live(Life("gc of blobs", litter.address, event=AFTER, dies_at=died_at)) == status
            the_next_run_loses_nothing(store)
            assert litter.ended.has_all()
            states.append(state)
        if status == LIVED:
            break
    assert status == LIVED and died_at > LEAST
    assert len(states) > STATES


def the_next_run_loses_nothing(store: ObjectStore) -> None:
    """Also where a gc comes before it ends, and others later."""
    run = Run("next", store).begin(TEXTS)
    unnamed_blobs(store)
    run.end()
    finished(store)
    assert run.has_all()
