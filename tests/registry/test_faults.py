"""Faults between us and a real server: each ends in a finished retry or in the right error, never in half a release."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import botocore.auth
import pytest

from errors import CorruptObject, MissingObject, StoreError
from infra.object_store import ObjectStore
from models.contracts import Candidate
from tasks.registry.aliases import read_alias, read_log
from tasks.registry.audit import audit
from tasks.registry.checks import verify_version
from tasks.registry.pulling import pull
from tasks.registry.versions import list_versions
from tests.registry.conftest import NewAddress, opened
from tests.registry.proxy import Plan, Proxy, Request, healthy, proxy
from tests.releases import KIND, moved, released, stored_candidate
from tests.servers import Server


class Line:
    """A store behind the proxy, in which version 1 is champion, and a way past the proxy for readers."""

    def __init__(self, state: Proxy, behind: ObjectStore, direct: ObjectStore, candidate: Candidate) -> None:
        self.state, self.store, self.direct, self.candidate = state, behind, direct, candidate

    def release(self, plan: Plan) -> None:
        """Version 2, as a run releases it, while the plan plants its faults; StoreError where it gave up."""
        self.state.plan = plan
        try:
            manifest = released(self.candidate, self.store, "run-2")
            verify_version.fn(manifest, kind=KIND, store=self.store)
            moved(manifest, 1, self.store, "run-2")
        finally:
            self.state.plan = healthy

    def is_sound(self, folder: Path) -> int:
        """The champion's version, once every byte of everything was found to fit."""
        release = read_alias("champion", store=self.direct)
        assert release is not None
        pull(release.manifest, folder / f"v{release.version}-{random.random()}", store=self.direct)
        assert audit((), alias="champion", deep=True, store=self.direct).misfits == ()
        return release.version


@pytest.fixture
def line(seaweed: Server, address: NewAddress, tmp_path: Path) -> Iterator[Line]:
    where = address()
    direct = opened(where)
    candidate = stored_candidate(direct, tmp_path / "model")
    moved(released(candidate, direct), None, direct)
    with proxy(seaweed.url) as (state, url):
        behind = opened({**where, "endpoint_url": url, "cache": str(tmp_path / "behind" / "cache")})
        assert behind.keeps_conditions
        yield Line(state, behind, direct, candidate)


def every(number: int, fault: str, *, method: str = "") -> Plan:
    """A fault for every so many-th request."""

    def plan(request: Request) -> str:
        return fault if request.number % number == 0 and request.method.startswith(method) else ""

    return plan


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ["500", "503", "cut before", "answer lost", "slow", "body cut"],
)  # fmt: skip
def test_a_fault_at_every_third_request_ends_in_a_finished_release(line: Line, fault: str, tmp_path: Path) -> None:
    line.release(every(8 if fault == "slow" else 3, fault))
    assert line.state.faults > 3
    assert line.is_sound(tmp_path) == 2
    assert list_versions(store=line.direct) == [1, 2]
    assert [entry.version for entry in read_log("champion", store=line.direct)] == [2, 1]


def test_a_promotion_whose_answer_was_lost_is_known_to_be_ones_own(line: Line, tmp_path: Path) -> None:
    lost: list[str] = []

    def plan(request: Request) -> str:
        if request.method == "PUT" and "/aliases/champion/" in request.path and not lost:
            lost.append(request.path)
            return "answer lost"
        return ""

    line.release(plan)
    assert lost
    assert line.is_sound(tmp_path) == 2


@pytest.mark.slow
@pytest.mark.parametrize("place", ["/claims/", "/versions/000002/", "/aliases/", "/moves/"])
def test_a_store_that_stays_broken_is_an_error_that_says_so_and_the_next_run_finishes(
    line: Line, place: str, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match=r"overloaded \(503 SlowDown.*run again"):
        line.release(lambda request: "503" if request.method == "PUT" and place in request.path else "")
    assert line.is_sound(tmp_path) == 1
    line.release(healthy)
    assert line.is_sound(tmp_path) == 2


@pytest.mark.slow
@pytest.mark.parametrize("place", ["/claims/", "/versions/000002/", "/aliases/", "/moves/"])
def test_credentials_that_run_out_in_a_release_are_named_and_new_ones_finish_it(
    line: Line, place: str, tmp_path: Path
) -> None:
    ran_out: list[str] = []

    def plan(request: Request) -> str:
        """A session's token: once it has run out, every request is refused."""
        if request.method == "PUT" and place in request.path:
            ran_out.append(request.path)
        return "expired" if ran_out else ""

    with pytest.raises(StoreError, match=r"credentials have run out.*(Get new ones|Renew them)"):
        line.release(plan)
    assert line.is_sound(tmp_path) == 1
    line.release(healthy)
    assert line.is_sound(tmp_path) == 2


@pytest.mark.slow
def test_credentials_that_run_out_while_a_version_is_pulled_leave_no_folder_that_looks_whole(
    line: Line, tmp_path: Path
) -> None:
    release = read_alias("champion", store=line.store)
    assert release is not None
    line.state.plan = lambda request: "expired" if "model.safetensors" in request.path else ""
    with pytest.raises(StoreError, match="credentials have run out"):
        pull(release.manifest, tmp_path / "pulled", store=line.store)
    assert not (tmp_path / "pulled" / "model.safetensors").exists()
    line.state.plan = healthy
    pull(release.manifest, tmp_path / "again", store=line.store)
    assert (tmp_path / "again" / "model.safetensors").exists()


def test_a_body_that_is_shorter_than_what_was_stored_is_found_though_its_length_says_otherwise(
    line: Line, tmp_path: Path
) -> None:
    def plan(request: Request) -> str:
        return "body shortened" if request.method == "GET" and "model.safetensors" in request.path else ""

    with pytest.raises((CorruptObject, StoreError)):
        line.release(plan)
    assert line.is_sound(tmp_path) == 1


def test_a_clock_that_is_twenty_minutes_off_is_named(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    late = datetime.now(UTC) - timedelta(minutes=20)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: late.replace(tzinfo=None))
    with pytest.raises(StoreError, match=r"this machine's clock is wrong.*Set the clock"):
        line.release(healthy)


def test_wrong_credentials_name_the_setting_and_show_no_secret(line: Line, address: NewAddress) -> None:
    with pytest.raises(StoreError, match="UPKEEP_S3_SECRET_KEY") as caught:
        opened({**address(), "secret_key": "not-the-secret"}).get_bytes("claims/000001.json")
    assert "not-the-secret" not in str(caught.value)
    with pytest.raises(StoreError, match="UPKEEP_S3_ACCESS_KEY"):
        opened({**address(), "access_key": "nobody"}).get_bytes("claims/000001.json")


def test_a_missing_bucket_is_named(address: NewAddress) -> None:
    store = opened({**address(), "bucket": "no-such-bucket"})
    with pytest.raises(StoreError, match="the bucket does not exist; create it or set UPKEEP_S3_BUCKET") as caught:
        store.put_bytes("claims/1", b"{}")
    assert not isinstance(caught.value, MissingObject)


def test_a_store_that_is_not_there_is_named(address: NewAddress) -> None:
    store = opened({**address(), "endpoint_url": "http://127.0.0.1:9"})
    with pytest.raises(StoreError, match="is the store running and UPKEEP_S3_ENDPOINT_URL right"):
        store.get_bytes("claims/1")
