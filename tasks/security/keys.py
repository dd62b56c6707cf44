"""Key pairs for releases: elliptic curve P-256, in PEM, as model signing takes them."""

import hashlib
import os
from pathlib import Path

from errors import SpecError
from infra.release_keys import ReleaseKeys

PRIVATE, PUBLIC = "upkeep-signing.key", "upkeep-signing.pub"
CURVES = {"secp256r1", "secp384r1", "secp521r1"}


def make_keys(folder: Path) -> str:
    """Writes a key pair, the private one for its owner only; answers with the fingerprint."""
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import ec

    for path in (folder / PRIVATE, folder / PUBLIC):
        if os.path.lexists(path):  # a link counts, wherever it leads
            raise SpecError(f"{path} exists and is not overwritten; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    with open(os.open(folder / PRIVATE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()))
    public = key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    (folder / PUBLIC).write_bytes(public)
    return fingerprint(public.decode())


def fingerprint(public: str) -> str:
    """SHA-256 of a public key's PEM: how model signing names a key in a signature."""
    return hashlib.sha256(public.encode()).hexdigest()[:16]


def private_pem(keys: ReleaseKeys) -> str:
    """The private key, once it is certain that it is one, and the other half of the public key where there is one."""
    if keys.private is None:
        raise SpecError("there is no key to sign with: set UPKEEP_SIGNING_KEY or UPKEEP_SIGNING_KEY_FILE "
                        "(`upkeep keygen FOLDER` makes a pair)")  # fmt: skip
    signs = _public_half(keys.private.get_secret_value())
    if keys.public is not None and public_pem(keys) != signs:
        raise SpecError(f"UPKEEP_SIGNING_KEY belongs to the key {fingerprint(signs)}, UPKEEP_VERIFY_KEY is "
                        f"{fingerprint(public_pem(keys))}: what is signed here could not be loaded here. Give both halves "
                        "of one pair.")  # fmt: skip
    return keys.private.get_secret_value()


def public_pem(keys: ReleaseKeys) -> str:
    """The public key in the one form by which it is named: the one that was given, or the private key's other half."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization as pem

    if keys.public is None and keys.private is None:
        raise SpecError("there is no key to verify signatures with: set UPKEEP_VERIFY_KEY or UPKEEP_VERIFY_KEY_FILE to "
                        "the public key of whoever releases")  # fmt: skip
    if keys.public is None and keys.private is not None:
        return _public_half(keys.private.get_secret_value())
    try:
        key = pem.load_pem_public_key(str(keys.public).encode())
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise SpecError(f"UPKEEP_VERIFY_KEY is no public key in PEM ({problem}); it begins with '-----BEGIN PUBLIC "
                        "KEY-----', and `upkeep keygen FOLDER` writes one") from problem  # fmt: skip
    return _named(key, "UPKEEP_VERIFY_KEY")


def _public_half(private: str) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization as pem

    try:
        key = pem.load_pem_private_key(private.encode(), None)
    except TypeError:
        raise SpecError("UPKEEP_SIGNING_KEY is protected by a password, which nobody is there to type: give the key as "
                        "your secret store keeps it, without one") from None  # fmt: skip
    except (ValueError, UnsupportedAlgorithm):  # what the parser says may quote what it was given
        raise SpecError("UPKEEP_SIGNING_KEY is no private key in PEM; `upkeep keygen FOLDER` makes one") from None
    return _named(key.public_key(), "UPKEEP_SIGNING_KEY")


def _named(key: object, setting: str) -> str:
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import ec

    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise SpecError(f"{setting} is a key of another kind; model signing takes elliptic curve keys on "
                        f"{', '.join(sorted(CURVES))}: `upkeep keygen FOLDER` makes one")  # fmt: skip
    return key.public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo).decode()
