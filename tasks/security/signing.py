"""Signatures of releases, by OpenSSF model signing: its own command line verifies what is signed here, and the reverse.

A signature is one more file of a version, `model.sig`, over all others as they lie there, its manifest included. It is
written just before the manifest, which therefore cannot list it: a signature may be added or renewed later without
changing what was released. What is signed are the SHA-256 that the candidate was judged by, so that no byte is read
again; whoever loads a version checks the signature first, and then every file against the manifest that it covers.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from errors import MissingExtra, SpecError, UnsignedRelease
from infra.keys import MANIFEST, SIGNATURE
from infra.object_store import ObjectStore
from infra.release_keys import ReleaseKeys
from models.contracts import Manifest
from tasks.security.keys import fingerprint, private_pem, public_pem


def sign_version(manifest: Manifest, data: bytes, *, store: ObjectStore) -> None:
    """Puts the signature beside a version's files, where there is a key; `data` are the manifest's bytes."""
    if store.release_keys.private:
        _put_signature(manifest, data, store)


def require_signing_key(*, store: ObjectStore) -> None:
    """Before the work is done whose result could not be released without a key."""
    if store.release_keys.required and not store.release_keys.private:
        raise SpecError("release.require_signature is true, and there is no key to sign a release with: set "
                        "UPKEEP_SIGNING_KEY or UPKEEP_SIGNING_KEY_FILE (`upkeep keygen FOLDER` makes a pair)")  # fmt: skip


def require_signature(manifest: Manifest, *, store: ObjectStore) -> None:
    """Where the spec demands it: the manifest that is stored is this one, and its signature is valid.

    Two small objects are read. Every file that is then checked against the manifest is as good as signed.
    """
    if store.release_keys.required:
        verify_stored(manifest, store=store)


def verify_stored(manifest: Manifest, *, store: ObjectStore) -> str:
    """The fingerprint of the key whose signature is valid; UnsignedRelease where there is no such signature."""
    data = store.get_bytes(store.keys.manifest(manifest.version))
    uri = store.uri(store.keys.signature(manifest.version))
    if Manifest.model_validate_json(data) != manifest or not store.prefix.endswith(f"models/{manifest.model}/"):
        raise UnsignedRelease(f"the manifest beside {uri} is not the one of {manifest.model!r} version "
                              f"{manifest.version} that was read before: somebody changes it. Nothing was loaded.")  # fmt: skip
    signature = store.find_bytes(store.keys.signature(manifest.version))
    if signature is None:
        raise UnsignedRelease(
            f"{manifest.model!r} version {manifest.version} is not signed ({uri} is not there). Nothing was loaded. Roll "
            f"back to a signed version; or, if you know that this one is yours, sign it: `upkeep sign SPEC@{manifest.version}`"
        )
    return verify_files(_digests(manifest, data), signature, store.release_keys, uri=uri)


def copy_signature(manifest: Manifest, folder: Path, *, store: ObjectStore) -> None:
    """Puts a version's signature, where it has one, beside its files in a folder."""
    signature = store.find_bytes(store.keys.signature(manifest.version))
    if signature is not None:
        (folder / SIGNATURE).write_bytes(signature)


def sign_again(manifest: Manifest, folder: Path, *, store: ObjectStore) -> None:
    """Signs a version whose verified files lie in a folder, there and in the store; an older signature is replaced."""
    _put_signature(manifest, (folder / MANIFEST).read_bytes(), store)
    copy_signature(manifest, folder, store=store)


def is_signed(folder: Path) -> bool:
    return (folder / SIGNATURE).exists()


def sign_files(digests: Mapping[str, str], keys: ReleaseKeys, *, name: str) -> bytes:
    """A signature in Sigstore's bundle format over files that are known by their SHA-256."""
    signing = _library("signing")
    with TemporaryDirectory() as folder, _readable(private_pem(keys)) as key:
        target = Path(folder) / SIGNATURE
        config = signing.Config().set_hashing_config(_known(digests)).use_elliptic_key_signer(private_key=key)
        config.sign(Path(folder) / name, target)
        return target.read_bytes()


def verify_files(digests: Mapping[str, str], signature: bytes, keys: ReleaseKeys, *, uri: str) -> str:
    """The fingerprint of the public key; UnsignedRelease where the signature is another key's, or over other files."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / SIGNATURE
        path.write_bytes(signature)
        return _verify(Path(folder), path, _known(digests), keys, uri=uri)


def verify_folder(folder: Path, keys: ReleaseKeys, *, uri: str = "") -> str:
    """The same for a pulled version or a plain copy of one, whose every byte is read, as by `model_signing verify`.
    `uri`: what an error calls the signature, where the folder is gone by then."""
    hashing = _library("hashing")
    config = hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)
    return _verify(folder, folder / SIGNATURE, config, keys, uri=uri or str(folder / SIGNATURE))


def _verify(folder: Path, signature: Path, hashing: Any, keys: ReleaseKeys, *, uri: str) -> str:
    verifying, pem = _library("verifying"), public_pem(keys)
    with _readable(pem) as key:
        config = verifying.Config().use_elliptic_key_verifier(public_key=key).set_hashing_config(hashing)
    try:
        config.verify(folder, signature)
    except Exception as problem:  # a forged file may make the parser raise anything; none of it is a valid signature
        raise UnsignedRelease(
            f"{uri} is no valid signature of these files by the key {fingerprint(pem)}: {_reason(problem)}. Nothing was loaded. "
            "Check that UPKEEP_VERIFY_KEY is the public key of whoever releases; if it is, the files or the signature "
            "were changed: roll back to another version, or restore them."
        ) from problem
    return fingerprint(pem)


def _reason(problem: Exception) -> str:
    """The library's reason without its digests, which it shows as raw bytes."""
    text = " ".join(str(problem).split())
    changed = re.findall(r"Hash mismatch for \W*'([^'\\]+)", text)
    if changed:
        return f"changed since: {', '.join(changed)}"
    return text[:300].rstrip(".") or "another key made it, or it was changed"


def _put_signature(manifest: Manifest, data: bytes, store: ObjectStore) -> None:
    signature = sign_files(_digests(manifest, data), store.release_keys, name=manifest.model)
    store.put_bytes(store.keys.signature(manifest.version), signature)


def _digests(manifest: Manifest, data: bytes) -> dict[str, str]:
    return {**{file.path: file.sha256 for file in manifest.files}, MANIFEST: hashlib.sha256(data).hexdigest()}


def _known(digests: Mapping[str, str]) -> Any:
    """A hashing configuration of the library that answers with digests which are known already."""
    hashing, manifest, engines = _library("hashing"), _library("manifest"), _library("_hashing.hashing")
    items = [
        manifest.FileManifestItem(path=PurePosixPath(path), digest=engines.Digest("sha256", bytes.fromhex(digest)))
        for path, digest in digests.items()
    ]

    class Known(hashing.Config):  # type: ignore[name-defined]
        def hash(self, model_path: Any, *, files_to_hash: Any = None) -> Any:
            return manifest.Manifest(Path(model_path).name, items, manifest._FileSerialization("sha256"))

    return Known()


@contextmanager
def _readable(pem: str) -> Iterator[str]:
    """A path where the library finds a key, though it is in no file: nothing is left on a disk if we are killed."""
    reader, writer = os.pipe()
    try:
        os.write(writer, pem.encode())
        os.close(writer)
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)


def _library(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"model_signing.{module}")
    except ImportError as problem:
        raise MissingExtra("signing and verifying releases needs model-signing; run: pip install "
                           f"'llm-upkeep[signing]' ({problem})") from problem  # fmt: skip
