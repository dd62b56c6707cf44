"""Keys and signatures as a person meets them: verifies a version down to its last byte, signs one, makes keys.

Needs no Prefect server and no torch.
"""

from pathlib import Path

from errors import UnsignedRelease
from flows.inspect import find_version
from infra.object_store import ObjectStore
from infra.release_keys import ReleaseKeys
from infra.workspace import open_workspace
from models.contracts import Manifest, Record
from models.spec import read_spec
from tasks.formats import amount, size
from tasks.registry.pulling import pull
from tasks.security.signing import is_signed, sign_again, verify_folder


class Verified(Record):
    """What was found to be as it was released. `signed_by`: the fingerprint of the key whose signature is valid."""

    model: str
    version: int
    files: int
    bytes: int
    signed_by: str | None
    note: str


def verify_version(spec_path: Path, which: str) -> Verified:
    """Every file against the manifest, and the signature over all of them, as far as there is one and a key for it.

    Raises CorruptObject or UnsignedRelease where something is not as it was released.
    """
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        manifest = find_version(spec, which, store=work.store)
        with work.store.draft("signed") as draft:
            folder = draft / "version"
            pull(manifest, folder, store=work.store)
            return _found(manifest, folder, work.store)


def sign_version(spec_path: Path, which: str) -> Verified:
    """Signs a version that is there already, once every byte of it was found to be as it was released."""
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        keys, manifest = work.store.release_keys, find_version(spec, which, store=work.store)
        with work.store.draft("signed") as draft:
            folder = draft / "version"
            work.store.release_keys = ReleaseKeys()  # the signature that is not there yet is not asked for
            pull(manifest, folder, store=work.store)
            work.store.release_keys = keys
            sign_again(manifest, folder, store=work.store)
            return _found(manifest, folder, work.store)


def _found(manifest: Manifest, folder: Path, store: ObjectStore) -> Verified:
    keys = store.release_keys
    signed = is_signed(folder)
    uri = store.uri(store.keys.signature(manifest.version))
    signed_by = verify_folder(folder, keys, uri=uri) if signed and keys.can_verify else None
    if keys.required and signed_by is None:
        raise UnsignedRelease(f"{manifest.model!r} version {manifest.version} has no signature that could be verified")
    unverified = "signed, but no key to verify it with: set UPKEEP_VERIFY_KEY_FILE" if signed else "not signed"
    return Verified(
        model=manifest.model, version=manifest.version, files=len(manifest.files),
        bytes=sum(file.bytes for file in manifest.files), signed_by=signed_by,
        note="" if signed_by else unverified,
    )  # fmt: skip


def describe_verified(found: Verified) -> str:
    signature = f"signed by the key {found.signed_by}" if found.signed_by else found.note
    return (f"{found.model} version {found.version}: {amount(found.files, 'file')}, {size(found.bytes)}, each with the SHA-256 "
            f"of the manifest; {signature}")  # fmt: skip
