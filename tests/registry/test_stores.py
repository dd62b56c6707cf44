"""What each kind of server is found to be, and what a release makes of it."""

from pathlib import Path

import pytest

from errors import StoreError
from infra import single_writer
from tasks.registry.aliases import read_alias
from tasks.registry.audit import audit
from tasks.registry.checks import verify_version
from tests.registry.conftest import NewAddress, address_on, opened
from tests.releases import KIND, moved, released, stored_candidate
from tests.servers import Server


def test_a_version_is_released_verified_and_audited_on_every_kind_of_server(
    any_address: NewAddress, tmp_path: Path
) -> None:
    store = opened(any_address())
    assert store.keeps_conditions
    moved(released(stored_candidate(store, tmp_path / "model"), store), None, store)
    release = read_alias("champion", store=store)
    assert release is not None
    verify_version.fn(release.manifest, kind=KIND, store=store)
    assert audit((), alias="champion", deep=True, store=store).misfits == ()


def test_a_server_that_ignores_the_condition_is_refused_for_several_writers_and_served_for_one(
    juicefs: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_writer, "SETTLE_SECONDS", 0)
    address = address_on(juicefs, tmp_path / "mine" / "cache")
    several, one = opened(address), opened(address, single_writer=True)
    candidate = stored_candidate(several, tmp_path / "model")
    with pytest.raises(StoreError, match=r"does not keep `If-None-Match.*UPKEEP_S3_SINGLE_WRITER"):
        released(candidate, several)
    assert not several.list_keys("claims/") and not several.list_keys("versions/")
    moved(released(candidate, one), None, one)
    assert read_alias("champion", store=several).version == 1  # reading needs no condition
    elsewhere = opened({**address, "cache": str(tmp_path / "elsewhere" / "cache")}, single_writer=True)
    with pytest.raises(StoreError, match="has been the one writer of this store"):
        released(candidate, elsewhere, "run-2")
