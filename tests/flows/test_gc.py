"""gc of blobs after real runs: what they named is there, what only they used to get there is not, and the next run works."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from errors import DataError
from flows.bootstrap import bootstrap
from flows.inspect import read_all_history
from flows.maintain import maintain
from infra.files import Stored
from infra.object_store import ObjectStore
from models.contracts import Outcome, Removal
from tasks.opened import open_run_of
from tasks.registry.audit import audit
from tasks.registry.blobs import Kept
from tasks.registry.retention import Retention, collect
from tests.flows.conftest import Home, moved
from tests.tiny import sentences

LONG = timedelta(days=90)
OFTEN = Retention(versions=10, age=LONG, entries=10, blobs=Kept(LONG))
ARTIFACT = re.compile(r'"uri":\s*"([^"]+/blobs/[^"]+)",\s*"sha256":\s*"([0-9a-f]{64})"')


def collected(store: ObjectStore, *, day: int) -> list[Removal]:
    under_way, now = open_run_of(store=store) is not None, datetime.now(UTC) + timedelta(days=day)
    return [r for r in collect(OFTEN, under_way=under_way, now=now, apply=True, store=store) if r.removed]


def named(store: ObjectStore) -> set[Stored]:
    """The blobs that reports and manifests name."""
    keys = [key for key in store.list_keys("") if key.endswith(("report.json", "manifest.json"))]
    return {Stored(uri, sha256, 0) for key in keys for uri, sha256 in ARTIFACT.findall(store.get_bytes(key).decode())}


@pytest.mark.slow
def test_after_gc_every_report_has_its_blobs_and_the_next_run_does_its_work(home: Home, store: ObjectStore) -> None:
    home.receive("day-0", sentences(600))
    bootstrap(home.spec)
    home.receive("day-1", sentences(120, start=1000))
    assert maintain(home.spec).report.outcome is Outcome.HELD
    home.receive("day-2", sentences(120, start=2000).assign(label="sideways"))
    with pytest.raises(DataError):
        maintain(home.spec)
    (home.folder / "incoming" / "day-2.csv").unlink()
    before = set(store.list_keys("blobs/"))
    assert collected(store, day=100)[0].what.endswith("records of work")
    deleted = collected(store, day=101)
    assert {"1 blob of baseline", "1 blob of windows", "1 blob of quarantine"} <= {r.what for r in deleted}
    after = set(store.list_keys("blobs/"))
    assert named(store) and all(store.is_whole(found) for found in named(store))
    assert {found.uri for found in named(store)} <= {store.uri(key) for key in after & before}
    assert audit(read_all_history(home.spec), alias="champion", deep=True, store=store).misfits == ()
    home.receive("day-3", moved(600, start=3000))
    assert maintain(home.spec).report.outcome is Outcome.RELEASED
    assert all(store.is_whole(found) for found in named(store))
    assert json.loads(store.get_bytes(store.keys.manifest(2)))["parent"] == 1
