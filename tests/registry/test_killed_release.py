"""SIGKILL at every request to S3 of a release and of a promotion, before it leaves and after its answer came."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from infra.object_store import ObjectStore
from tasks.registry.aliases import read_alias, read_log
from tasks.registry.audit import audit
from tasks.registry.pulling import pull
from tasks.registry.versions import list_versions
from tests.registry.conftest import Address, NewAddress, opened
from tests.registry.nursery import AFTER, BEFORE, DIED, LIVED, Life, Nursery
from tests.releases import moved, released, stored_candidate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def before(job: str, address: Address, folder: Path) -> Life:
    """Version 1 is champion; for a promotion, version 2 waits."""
    store = opened(address)
    assert store.keeps_conditions
    candidate = stored_candidate(store, folder)
    moved(released(candidate, store), None, store)
    if job == "promotion":
        released(candidate, store, "run-2")
    return Life(job, address, candidate.model_dump_json())


def champion_is_whole(store: ObjectStore, folder: Path) -> int:
    """The champion's version, once a reader that knows nothing has verified each of its bytes."""
    release = read_alias("champion", store=store)
    assert release is not None
    pull(release.manifest, folder, store=store)
    shutil.rmtree(folder)
    return release.version


@pytest.mark.parametrize("event", [BEFORE, AFTER])
@pytest.mark.parametrize(("job", "least"), [("release", 30), ("promotion", 20)])
def test_whenever_it_is_killed_the_champion_is_the_old_or_the_new_one_and_the_next_run_finishes_the_work(
    job: str, least: int, event: str, births: Nursery, address: NewAddress, tmp_path: Path
) -> None:
    champions, deaths = [], 0
    while True:
        life = replace(before(job, address(), tmp_path / "model"), event=event, dies_at=deaths + 1)
        status, store = births.live(life), opened(life.store)
        assert status in {DIED, LIVED}
        champions.append(champion_is_whole(store, tmp_path / "pulled"))
        assert births.live(replace(life, dies_at=0)) == LIVED
        assert champion_is_whole(store, tmp_path / "pulled") == 2
        assert list_versions(store=store) == [1, 2]
        assert [entry.version for entry in read_log("champion", store=store)] == [2, 1]
        assert audit((), alias="champion", deep=True, store=store).misfits == ()
        if status == LIVED:
            break
        deaths += 1
    assert deaths >= least
    assert champions == sorted(champions) and set(champions) == {1, 2}
