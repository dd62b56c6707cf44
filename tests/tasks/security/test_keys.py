"""Which keys are taken, and by which setting the others are refused."""

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from pydantic import SecretStr

from errors import SpecError
from infra.release_keys import ReleaseKeys, read_release_keys
from infra.settings import read_settings
from tasks.security.keys import PRIVATE, PUBLIC, fingerprint, make_keys, private_pem, public_pem
from tests.tasks.security.conftest import new_keys

PRIVATE_FORM, PUBLIC_FORM = pem.PrivateFormat.PKCS8, pem.PublicFormat.SubjectPublicKeyInfo
CURVE = ec.generate_private_key(ec.SECP384R1())
OF_OTHER_KINDS = [ec.generate_private_key(ec.SECP256K1()), ed25519.Ed25519PrivateKey.generate()]


def private(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, password: bytes | None = None) -> SecretStr:
    hidden = pem.BestAvailableEncryption(password) if password else pem.NoEncryption()
    return SecretStr(key.private_bytes(pem.Encoding.PEM, PRIVATE_FORM, hidden).decode())


def public(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(pem.Encoding.PEM, PUBLIC_FORM).decode()


def test_who_has_only_the_private_key_verifies_by_its_other_half() -> None:
    keys = ReleaseKeys(private=private(CURVE))
    assert public_pem(keys) == public(CURVE)
    assert private_pem(keys) == private(CURVE).get_secret_value()


def read(monkeypatch: pytest.MonkeyPatch, **settings: str | Path) -> ReleaseKeys:
    for name, value in settings.items():
        monkeypatch.setenv(f"UPKEEP_{name}", str(value))
    return read_release_keys(read_settings(), required=False)


@pytest.mark.parametrize("name", ["SIGNING_KEY", "VERIFY_KEY"])
def test_each_half_is_taken_as_text_or_from_a_file_and_not_from_both(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("PLANTED")
    for found in (
        read(monkeypatch, **{f"{name}_FILE": tmp_path / "key"}),
        read(monkeypatch, **{f"{name}_FILE": "", name: "PLANTED"}),
    ):
        private = found.private.get_secret_value() if found.private else None
        assert (private, found.public) == (("PLANTED", None) if name == "SIGNING_KEY" else (None, "PLANTED"))
        assert found.can_verify and "PLANTED" not in repr(found)
    assert not ReleaseKeys().can_verify
    with pytest.raises(SpecError, match=f"UPKEEP_{name} and UPKEEP_{name}_FILE are both set; unset one"):
        read(monkeypatch, **{f"{name}_FILE": tmp_path / "key", name: "PLANTED"})


@pytest.mark.parametrize(("data", "why"), [(None, "No such file or directory"), (b"\xffPLANTED", "it is no text")])
def test_a_key_s_file_that_cannot_be_read_is_named_with_its_setting_and_nothing_of_it_is_shown(
    data: bytes | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if data:
        (tmp_path / "key").write_bytes(data)
    with pytest.raises(SpecError, match=rf"UPKEEP_SIGNING_KEY_FILE: .*key cannot be read \({why}\)") as caught:
        read(monkeypatch, SIGNING_KEY_FILE=tmp_path / "key")
    assert caught.value.__suppress_context__ and "PLANTED" not in str(caught.value)


def test_a_public_key_is_named_by_the_same_form_however_it_was_written() -> None:
    written = public(CURVE).replace("\n", "\r\n") + "\n\n"
    assert public_pem(ReleaseKeys(public=written)) == public(CURVE)


@pytest.mark.parametrize("key", OF_OTHER_KINDS)
def test_a_key_of_another_kind_is_refused_by_its_setting(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> None:
    with pytest.raises(SpecError, match="UPKEEP_SIGNING_KEY is a key of another kind"):
        private_pem(ReleaseKeys(private=private(key)))
    with pytest.raises(SpecError, match="UPKEEP_VERIFY_KEY is a key of another kind"):
        public_pem(ReleaseKeys(public=public(key)))


def test_a_key_under_a_password_and_what_is_no_key_are_told_apart() -> None:
    with pytest.raises(SpecError, match="UPKEEP_SIGNING_KEY is protected by a password"):
        private_pem(ReleaseKeys(private=private(CURVE, b"secret")))
    with pytest.raises(SpecError, match="UPKEEP_SIGNING_KEY is no private key in PEM") as caught:
        private_pem(ReleaseKeys(private=SecretStr(public(CURVE))))
    assert caught.value.__suppress_context__  # what the parser says may quote what it was given
    with pytest.raises(SpecError, match="UPKEEP_VERIFY_KEY is no public key in PEM"):
        public_pem(ReleaseKeys(public="PLANTED"))


def unheard_of(key: str) -> str:
    """The same key of a kind for which nobody has a number yet."""
    first, *body, last = key.splitlines()
    data = base64.b64decode("".join(body)).replace(b"\x2b\x65\x70", b"\x2b\x65\x63")
    return f"{first}\n{base64.encodebytes(data).decode()}{last}\n"


def test_a_key_of_a_kind_that_nobody_heard_of_is_refused_by_its_setting() -> None:
    key = OF_OTHER_KINDS[1]
    with pytest.raises(SpecError, match="UPKEEP_SIGNING_KEY is no private key in PEM"):
        private_pem(ReleaseKeys(private=SecretStr(unheard_of(private(key).get_secret_value()))))
    with pytest.raises(SpecError, match=r"UPKEEP_VERIFY_KEY is no public key in PEM \(Unknown key type"):
        public_pem(ReleaseKeys(public=unheard_of(public(key))))


def test_where_there_is_no_key_the_settings_that_take_one_are_named() -> None:
    with pytest.raises(SpecError, match="no key to sign with: set UPKEEP_SIGNING_KEY"):
        private_pem(ReleaseKeys(public=public(CURVE)))
    with pytest.raises(SpecError, match="no key to verify signatures with: set UPKEEP_VERIFY_KEY"):
        public_pem(ReleaseKeys())


@pytest.mark.parametrize("left", [PRIVATE, PUBLIC])
def test_neither_half_of_an_older_pair_is_overwritten(left: str, tmp_path: Path) -> None:
    (tmp_path / left).write_text("older")
    with pytest.raises(SpecError, match=f"{left} exists and is not overwritten"):
        make_keys(tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(left, "older")]


@pytest.mark.parametrize("left", [PRIVATE, PUBLIC])
def test_no_half_is_written_to_where_a_link_leads(left: str, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / left).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpecError, match=f"{left} exists and is not overwritten"):
        make_keys(tmp_path / "keys")
    assert not (tmp_path / "elsewhere").exists()


def test_a_new_pair_belongs_together_and_is_named_by_its_public_half(tmp_path: Path) -> None:
    name = make_keys(tmp_path / "new" / "folder")
    public = (tmp_path / "new" / "folder" / PUBLIC).read_text()
    assert name == fingerprint(public) == hashlib.sha256(public.encode()).hexdigest()[:16]
    keys = new_keys(tmp_path / "keys")
    assert private_pem(keys) == (tmp_path / "keys" / PRIVATE).read_text()
