"""A model whose spec demands signatures, from its keys to its rollback."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from errors import CorruptObject, SpecError, UnsignedRelease
from flows.bootstrap import bootstrap
from flows.cli import app
from flows.inspect import pull_version
from flows.maintain import maintain
from flows.rollback import rollback
from flows.signed import sign_version, verify_version
from infra.object_store import ObjectStore
from infra.sealed import sealed
from models.contracts import Outcome, RunReport
from tasks.registry.versions import read_version
from tests.flows.conftest import Home
from tests.stores import copy
from tests.tiny import sentences

pytestmark = pytest.mark.filterwarnings("ignore:Logger 'prefect")


def upkeep(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.fixture
def signed(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Keys made by the command, a spec that demands signatures, and a first champion."""
    told = upkeep("keygen", tmp_path / "keys")
    assert str(tmp_path / "keys" / "upkeep-signing.pub") in told
    monkeypatch.setenv("UPKEEP_SIGNING_KEY_FILE", str(tmp_path / "keys" / "upkeep-signing.key"))
    home.write_spec(model={"source": "model", "max_tokens": 16, "adopt": True}, release={"require_signature": True})
    home.receive("day-0", sentences(300))
    bootstrap(home.spec, force=True)
    return home


@pytest.mark.slow
def test_a_release_is_signed_by_itself_and_whoever_has_the_public_key_runs_and_pulls_it(
    signed: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UPKEEP_SIGNING_KEY_FILE")
    monkeypatch.setenv("UPKEEP_VERIFY_KEY_FILE", str(tmp_path / "keys" / "upkeep-signing.pub"))
    signed.receive("day-1", sentences(100, start=1000))
    ended = maintain(signed.spec)
    assert isinstance(ended.report, RunReport)
    assert ended.report.outcome is Outcome.HELD
    assert pull_version(signed.spec, "champion", tmp_path / "pulled").version == 1
    told = upkeep("verify", f"{signed.spec}@1")
    assert "version 1" in told
    assert "signed by the key" in told
    found = json.loads(upkeep("verify", signed.spec, "--json"))
    assert found["signed_by"] in told


@pytest.mark.slow
def test_without_its_signature_a_champion_is_not_loaded_until_it_is_signed_again(
    signed: Home, store: ObjectStore, tmp_path: Path
) -> None:
    store.delete(store.keys.signature(1))
    signed.receive("day-1", sentences(100, start=1000))
    for load in (
        lambda: maintain(signed.spec), lambda: verify_version(signed.spec, ""),
        lambda: pull_version(signed.spec, "1", tmp_path / "pulled"),
    ):  # fmt: skip
        with pytest.raises(UnsignedRelease, match="upkeep sign"):
            load()
    assert "signed by the key" in upkeep("sign", f"{signed.spec}@1")
    maintain(signed.spec)


def test_an_unsigned_version_is_not_rolled_back_to(signed: Home, store: ObjectStore) -> None:
    for key in store.list_keys(store.keys.version(1)):
        if not key.endswith("model.sig"):
            copy(store, key, key.replace("000001", "000002"))
    forged = read_version(1, store=store).model_copy(update={"version": 2})
    store.put_bytes(store.keys.manifest(2), sealed(forged))
    with pytest.raises(UnsignedRelease, match="version 2 is not signed"):
        rollback.fn(signed.spec, to=2)
    assert len(store.list_keys("aliases/champion/")) == 1


def test_a_signature_by_another_key_is_named_by_its_place_in_the_store_and_a_version_with_a_changed_byte_is_not_signed(
    signed: Home, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep("keygen", tmp_path / "others")
    signed.write_spec()  # which demands no signature
    with monkeypatch.context() as patched:
        patched.setenv("UPKEEP_SIGNING_KEY_FILE", str(tmp_path / "others" / "upkeep-signing.key"))
        with pytest.raises(UnsignedRelease, match=f"^{store.uri(store.keys.signature(1))} is no valid signature"):
            verify_version(signed.spec, "1")
    key = store.keys.version(1) + "config.json"
    store.put_bytes(key, store.get_bytes(key) + b" ")
    with pytest.raises(CorruptObject):
        sign_version(signed.spec, "1")


def test_a_spec_that_demands_signatures_does_not_train_without_a_key(home: Home, store: ObjectStore) -> None:
    home.write_spec(release={"require_signature": True})
    home.receive("day-0", sentences(300))
    with pytest.raises(SpecError, match=r"no key to sign a release with.*upkeep keygen"):
        bootstrap.fn(home.spec)
    assert store.list_keys("") == []
