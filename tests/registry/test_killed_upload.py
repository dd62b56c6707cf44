"""SIGKILL at every request that writes, of a release whose weights take several parts: sent as a candidate, copied
inside the store, described by a manifest, named by an alias. Those of the parts die before and after; of the others, which
the sweep over small files has too (test_killed_release.py), after."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.object_store import ObjectStore
from tasks.registry.audit import audit
from tasks.registry.leftovers import collect_uploads
from tasks.registry.versions import list_versions
from tests.infra.transfers import uploads_under_way
from tests.registry.conftest import NewAddress, opened
from tests.registry.nursery import AFTER, BEFORE, DIED, LEAST_PART, LIVED, Life, Nursery
from tests.registry.test_killed_release import champion_is_whole
from tests.releases import moved, released, stored_candidate
from tests.tiny import tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
IN_PARTS = ("CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload")
AROUND = ("PutObject", "CopyObject")
PARTS, REQUESTS, MOST = 3, 10, 50
"""Two uploads of three parts, each with its beginning and its end."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_model(tmp_path_factory.mktemp("large"), room=165_000)
    size = (folder / "model.safetensors").stat().st_size
    assert (PARTS - 1) * LEAST_PART < size < PARTS * LEAST_PART
    return folder


def only(written: set[str], store: ObjectStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(store.delete, set(store.list_keys("")) - written))


def lost_uploads(store: ObjectStore) -> int:
    """How many nobody knows any more; gc aborts them."""
    soon = datetime.now(UTC) + timedelta(seconds=2)
    found = list(collect_uploads(timedelta(0), now=soon, apply=True, store=store))
    assert uploads_under_way(store) == []
    return len(found)


@pytest.mark.parametrize(
    ("event", "operations", "ids_lost"), [(BEFORE, IN_PARTS, 0), (AFTER, IN_PARTS, 2), (AFTER, AROUND, 0)]
)
def test_whenever_it_is_killed_no_version_is_half_and_the_next_run_finishes_the_upload(
    event: str, operations: tuple[str, ...], ids_lost: int, births: Nursery, large: Path, address: NewAddress,
    tmp_path: Path,
) -> None:  # fmt: skip
    where = address()
    store = opened(where)
    assert store.keeps_conditions
    moved(released(stored_candidate(store, tmp_path / "model"), store), None, store)
    written, lost, champions = set(store.list_keys("")), 0, list[int]()
    for dies_at in range(1, MOST):
        life = Life("large release", where, folder=str(large), event=event, operations=operations, dies_at=dies_at)
        status = births.live(life)
        if status == LIVED:
            break
        assert status == DIED
        champions.append(champion_is_whole(store, tmp_path / "pulled"))
        assert audit((), alias="champion", deep=True, store=store).misfits == ()
        assert births.live(replace(life, dies_at=0)) == LIVED
        assert champion_is_whole(store, tmp_path / "pulled") == 2 and list_versions(store=store) == [1, 2]
        assert audit((), alias="champion", deep=True, store=store).misfits == ()
        lost += lost_uploads(store)
        only(written, store)
    assert status == LIVED and len(champions) >= REQUESTS
    assert champions == sorted(champions) and set(champions) == ({1} if operations == IN_PARTS else {1, 2})
    assert lost == ids_lost  # only where it died between the answer and the note
