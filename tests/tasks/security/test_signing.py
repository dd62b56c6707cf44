"""Releases are signed so that others can verify them, and nothing unsigned is loaded where the spec forbids it."""

import dataclasses
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from errors import MissingExtra, SpecError, StoreError, UnsignedRelease
from infra.object_store import ObjectStore, connect
from infra.release_keys import ReleaseKeys
from models.contracts import Manifest
from tasks.registry.audit import audit
from tasks.registry.checks import verify_version
from tasks.registry.generations import move_alias
from tasks.registry.pulling import pull
from tasks.registry.versions import weights_of
from tasks.security.keys import PRIVATE, PUBLIC, fingerprint, make_keys, public_pem
from tasks.security.signing import (
    require_signing_key,
    sign_again,
    sign_files,
    verify_files,
    verify_folder,
    verify_stored,
)
from tests.releases import KIND
from tests.stores import address_of, copy
from tests.tasks.security.conftest import Publish, new_keys


def model_signing(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "model_signing", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def plain_copy(store: ObjectStore, version: int, folder: Path) -> Path:
    """Every object of a version as it lies in the bucket."""
    prefix = store.keys.version(version)
    for key in store.list_keys(prefix):
        target = folder / key.removeprefix(prefix)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(store.get_bytes(key))
    return folder


def loads(manifest: Manifest, store: ObjectStore, tmp_path: Path) -> dict[str, object]:
    """Every way by which a released version is loaded, pulled or promoted."""
    return {
        "weights": lambda: weights_of(manifest, store=store),
        "verify": lambda: verify_version.fn(manifest, kind=KIND, store=store),
        "pull": lambda: pull(manifest, tmp_path / "pulled", store=store),
        "promote": lambda: move_alias.fn(manifest, alias="champion", expected=None, run_id="r", why="w", store=store),
    }


def test_the_command_line_of_model_signing_verifies_a_pulled_release_and_a_plain_copy(
    store: ObjectStore, keys: ReleaseKeys, published: Publish, tmp_path: Path
) -> None:
    store.release_keys = keys
    pull(published(), tmp_path / "pulled", store=store)
    public = tmp_path / "keys" / PUBLIC
    for folder in (tmp_path / "pulled", plain_copy(store, 1, tmp_path / "another name")):
        verified = model_signing("verify", "key", folder, "--signature", folder / "model.sig", "--public_key", public)
        assert verified.returncode == 0, verified.stderr
    (folder / "config.json").write_text("{}")
    refused = model_signing("verify", "key", folder, "--signature", folder / "model.sig", "--public_key", public)
    assert refused.returncode == 1
    assert "config.json" in refused.stderr


def test_a_signature_that_the_command_line_made_is_taken(
    store: ObjectStore, keys: ReleaseKeys, published: Publish, tmp_path: Path
) -> None:
    manifest = published()
    folder = plain_copy(store, 1, tmp_path / "copy")
    signature = folder / "model.sig"
    made = model_signing("sign", "key", folder, "--signature", signature, "--private_key", tmp_path / "keys" / PRIVATE)
    assert made.returncode == 0, made.stderr
    store.put_bytes(store.keys.signature(1), signature.read_bytes())
    store.release_keys = keys
    assert verify_stored(manifest, store=store) == verify_folder(folder, keys)


@pytest.mark.parametrize("way", ["weights", "verify", "pull", "promote"])
def test_an_unsigned_version_is_refused_however_it_would_be_loaded(
    way: str, store: ObjectStore, keys: ReleaseKeys, published: Publish, tmp_path: Path
) -> None:
    manifest = published()
    store.release_keys = dataclasses.replace(keys, private=None)
    with pytest.raises(
        UnsignedRelease, match=r"version 1 is not signed \(s3://.*model.sig is not there\).*upkeep sign"
    ):
        loads(manifest, store, tmp_path)[way]()
    assert not (tmp_path / "pulled").exists()
    assert store.list_keys("aliases/") == []


def test_a_signed_version_is_loaded_pulled_and_promoted(
    store: ObjectStore, keys: ReleaseKeys, published: Publish, tmp_path: Path
) -> None:
    store.release_keys = keys
    for load in loads(published(), store, tmp_path).values():
        load()
    assert (tmp_path / "pulled" / "model.sig").exists()
    assert len(store.list_keys("aliases/")) == 1


def test_where_no_signature_is_demanded_none_is_needed(store: ObjectStore, published: Publish, tmp_path: Path) -> None:
    for load in loads(published(), store, tmp_path).values():
        load()
    assert not (tmp_path / "pulled" / "model.sig").exists()


def test_another_key_a_changed_manifest_and_a_changed_signature_are_told_apart_from_the_right_ones(
    store: ObjectStore, keys: ReleaseKeys, published: Publish, tmp_path: Path
) -> None:
    store.release_keys = keys
    manifest = published()
    store.release_keys = new_keys(tmp_path / "others")
    named = fingerprint(public_pem(store.release_keys))
    with pytest.raises(
        UnsignedRelease, match=rf"no valid signature of these files by the key {named}: \w[^.]*\. Nothing was loaded"
    ):
        weights_of(manifest, store=store)
    store.release_keys = keys
    key = store.keys.manifest(1)
    right = store.get_bytes(key)
    store.put_bytes(key, right.replace(b'"recipe": "test"', b'"recipe": "best"'))
    changed = manifest.model_copy(update={"lineage": manifest.lineage.model_copy(update={"recipe": "best"})})
    with pytest.raises(UnsignedRelease, match=r"changed since: manifest\.json\. Nothing was loaded"):
        weights_of(changed, store=store)
    with pytest.raises(UnsignedRelease, match="somebody changes it"):
        weights_of(manifest, store=store)
    store.put_bytes(key, right)
    weights_of(manifest, store=store)


def test_a_changed_byte_of_a_signature_is_found(store: ObjectStore, keys: ReleaseKeys, published: Publish) -> None:
    """Of all its bytes only the padding of its base64, which carries nothing, may be another."""
    store.release_keys = keys
    manifest = published()
    key = store.keys.signature(1)
    right = store.get_bytes(key)
    accepted = []
    for place in range(0, len(right), 97):
        changed = bytearray(right)
        changed[place] ^= 1
        store.put_bytes(key, bytes(changed))
        try:
            weights_of(manifest, store=store)
        except UnsignedRelease:
            continue
        accepted.append(place)
    assert accepted == []


def test_a_signed_version_that_was_copied_over_another_is_not_that_other(
    store: ObjectStore, keys: ReleaseKeys, published: Publish
) -> None:
    store.release_keys = keys
    published("run-1")
    second = published("run-2")
    for name in ("manifest.json", "model.sig", "README.md"):
        copy(store, store.keys.version(1) + name, store.keys.version(2) + name)
    with pytest.raises(UnsignedRelease, match="version 2"):
        weights_of(second, store=store)


def test_a_signed_version_that_was_copied_to_another_model_is_none_of_that_model(
    store: ObjectStore, keys: ReleaseKeys, published: Publish
) -> None:
    store.release_keys = keys
    manifest = published()
    other = connect(**{**address_of(store), "prefix": "models/other/"})
    other.release_keys = keys
    copied = {key: store.get_bytes(key) for key in store.list_keys(store.keys.version(1))}
    for key, data in copied.items():
        other.put_bytes(key, data)
    assert store.keys.signature(1) in copied
    with pytest.raises(UnsignedRelease, match=r"models/other/.* is not the one of 'test' version 1"):
        weights_of(manifest, store=other)


def test_a_file_that_nobody_signed_one_that_is_gone_and_a_hidden_one_break_the_signature_of_a_folder(
    store: ObjectStore, keys: ReleaseKeys, published: Publish, tmp_path: Path
) -> None:
    store.release_keys = keys
    pull(published(), tmp_path / "pulled", store=store)
    for name in ("modeling_mine.py", ".gitattributes", ".git/config", "below/model.sig"):
        added = tmp_path / "pulled" / name
        added.parent.mkdir(exist_ok=True)
        added.write_text("x")
        with pytest.raises(UnsignedRelease, match="no valid signature of these files"):
            verify_folder(tmp_path / "pulled", keys)
        added.unlink()
    assert verify_folder(tmp_path / "pulled", keys)
    (tmp_path / "pulled" / "README.md").unlink()
    with pytest.raises(UnsignedRelease, match="no valid signature of these files"):
        verify_folder(tmp_path / "pulled", keys)


def test_a_version_from_before_there_were_keys_is_signed_later_without_being_changed(
    store: ObjectStore, keys: ReleaseKeys, published: Publish, tmp_path: Path
) -> None:
    manifest = published()
    before = store.get_bytes(store.keys.manifest(1))
    pull(manifest, tmp_path / "pulled", store=store)
    store.release_keys = keys
    sign_again(manifest, tmp_path / "pulled", store=store)
    weights_of(manifest, store=store)
    assert store.get_bytes(store.keys.manifest(1)) == before
    assert verify_folder(tmp_path / "pulled", keys)


def test_without_a_key_a_run_that_could_not_release_is_refused_before_it_trains_and_no_other_is(
    store: ObjectStore, keys: ReleaseKeys
) -> None:
    for enough in (keys, ReleaseKeys()):
        store.release_keys = enough
        require_signing_key(store=store)
    for lacking in (ReleaseKeys(required=True), dataclasses.replace(keys, private=None)):
        store.release_keys = lacking
        with pytest.raises(SpecError, match="no key to sign a release with: set UPKEEP_SIGNING_KEY"):
            require_signing_key(store=store)


def test_what_is_no_key_is_refused_by_the_name_of_its_setting_and_never_shown(
    store: ObjectStore, keys: ReleaseKeys, published: Publish
) -> None:
    store.release_keys = dataclasses.replace(keys, private=SecretStr("PLANTED"))
    with pytest.raises(SpecError, match="UPKEEP_SIGNING_KEY is no private key in PEM") as caught:
        published()
    assert "PLANTED" not in str(caught.value)
    store.release_keys = ReleaseKeys(required=True)
    with pytest.raises((SpecError, StoreError)):
        weights_of(published("run-2"), store=store)


def test_a_key_is_handed_to_the_library_by_a_pipe_that_is_closed_again(keys: ReleaseKeys) -> None:
    opened = len(os.listdir("/dev/fd"))
    signature = sign_files({"config.json": "0" * 64}, keys, name="test")
    verify_files({"config.json": "0" * 64}, signature, keys, uri="here")
    assert len(os.listdir("/dev/fd")) == opened


def test_without_the_library_that_signs_the_extra_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model_signing.signing", None)
    with pytest.raises(MissingExtra, match=r"pip install 'llm-upkeep\[signing\]'"):
        sign_files({}, ReleaseKeys(), name="test")


def test_halves_of_two_pairs_are_refused_before_anything_is_signed(
    store: ObjectStore, keys: ReleaseKeys, published: Publish, tmp_path: Path
) -> None:
    store.release_keys = dataclasses.replace(keys, public=new_keys(tmp_path / "others").public)
    with pytest.raises(SpecError, match="both halves of one pair"):
        published()
    assert not store.exists(store.keys.signature(1))


def test_a_private_key_belongs_to_its_owner_and_no_pair_is_overwritten(tmp_path: Path) -> None:
    make_keys(tmp_path)
    assert (tmp_path / PRIVATE).stat().st_mode & 0o777 == 0o600
    with pytest.raises(SpecError, match="not overwritten"):
        make_keys(tmp_path)


def test_an_audit_knows_signatures_and_finds_the_one_that_is_missing_or_wrong(
    store: ObjectStore, keys: ReleaseKeys, published: Publish
) -> None:
    store.release_keys = keys
    for run in ("run-1", "run-2", "run-3"):
        published(run)
    assert audit((), alias="champion", deep=True, store=store).misfits == ()
    store.delete(store.keys.signature(1))
    store.put_bytes(store.keys.signature(2), b"{}")
    found = {misfit.uri: misfit.problem for misfit in audit((), alias="champion", deep=False, store=store).misfits}
    assert set(found) == {store.uri(store.keys.signature(1)), store.uri(store.keys.signature(2))}
    store.release_keys = ReleaseKeys()
    assert audit((), alias="champion", deep=True, store=store).misfits == ()


def test_where_no_signature_is_demanded_an_audit_misses_none_and_finds_a_wrong_one(
    store: ObjectStore, keys: ReleaseKeys, published: Publish
) -> None:
    for run in ("run-1", "run-2"):
        published(run)
    store.put_bytes(store.keys.signature(2), b"{}")
    store.release_keys = replace(keys, required=False)
    found = audit((), alias="champion", deep=False, store=store).misfits
    assert [misfit.uri for misfit in found] == [store.uri(store.keys.signature(2))]
