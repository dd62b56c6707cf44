"""Releases in S3: immutable versions, and aliases that are an append-only log of generations.

A version's number is claimed by a conditional write, its files follow, its manifest comes last: a version
without a manifest does not exist. An alias moves by writing the next generation if nobody else has; a writer
that was answered with an error reads that key again and finds its own token, or somebody else's.
"""

import getpass
import hashlib
import json
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import CorruptObject, KeyTaken, MissingObject, NoChampion, SpecError, StoreError
from infra.object_store import ObjectStore
from models.adapter import adapter_for
from models.card import model_card
from models.contracts import (
    AliasEntry,
    Candidate,
    FileEntry,
    Lineage,
    Manifest,
    Measurement,
    ModelKind,
    Reference,
    Release,
    Weights,
)

TRIES = 50
CARD = "README.md"


@task(name="publish version", cache_policy=NO_CACHE)
def publish(
    candidate: Candidate, *, model: str, kind: ModelKind, reference: Reference,
    measured: tuple[Measurement, ...], lineage: Lineage, created_at: datetime, store: ObjectStore,
) -> Manifest:  # fmt: skip
    """A new immutable version, copied server-side from the candidate's files. Publishing twice makes one."""
    version = _claim(candidate.content_digest + lineage.run_id, store)
    key = store.keys.manifest(version)
    if store.exists(key):
        return Manifest.model_validate_json(store.get_bytes(key))
    prefix = store.keys.version(version)
    present = set(store.list_keys(prefix))
    for file in candidate.files:
        if file.path != CARD and prefix + file.path not in present:
            store.copy(candidate.prefix + file.path, prefix + file.path)
    card = model_card(model, version, kind.task, kind.labels, measured, lineage).encode()
    store.put_bytes(prefix + CARD, card)
    files = (*(f for f in candidate.files if f.path != CARD),
             FileEntry(path=CARD, sha256=hashlib.sha256(card).hexdigest(), bytes=len(card)))  # fmt: skip
    manifest = Manifest(
        model=model, version=version, parent=candidate.parent, task=kind.task, labels=kind.labels, created_at=created_at,
        files=files, content_digest=candidate.content_digest, reference=reference, measured=measured, lineage=lineage,
    )  # fmt: skip
    store.put_bytes(key, manifest.model_dump_json(indent=1).encode(), if_absent=True)
    return manifest


def _claim(token: str, store: ObjectStore) -> int:
    """The number that this content holds in this run: its own claim where it has one, else the next free one."""
    taken = store.list_keys(store.keys.claims)
    for key in reversed(taken[-TRIES:]):
        if json.loads(store.get_bytes(key))["token"] == token:
            return _number(key)
    number = _number(taken[-1]) + 1 if taken else 1
    for version in range(number, number + TRIES):
        try:
            store.put_bytes(store.keys.claim(version), json.dumps({"token": token}).encode(), if_absent=True)
        except KeyTaken:
            continue
        return version
    raise StoreError(f"no version number could be claimed in {TRIES} tries: too many writers; try again")


@task(name="move alias", cache_policy=NO_CACHE)
def move_alias(
    manifest: Manifest, *, alias: str, expected: int | None, run_id: str, why: str, store: ObjectStore
) -> Release:
    """The next generation of an alias. `expected` is the version it must point to now (None: to none);
    where this run has moved it already, that is the answer."""
    newest = _newest(alias, store)
    if newest and newest.run_id == run_id and newest.version == manifest.version:
        return Release(manifest=manifest, entry=newest)
    if (newest.version if newest else None) != expected:
        raise StoreError(f"alias {alias!r} points to version {newest.version if newest else None}, this run started "
                         f"from {expected}: somebody else moved it. Nothing was changed; run again.")  # fmt: skip
    entry = _next_entry(manifest, newest, alias=alias, run_id=run_id, why=why, store=store)
    key = store.keys.generation(alias, entry.generation)
    try:
        store.put_bytes(key, entry.model_dump_json(indent=1).encode(), if_absent=True)
    except StoreError as problem:
        try:
            written = AliasEntry.model_validate_json(store.get_bytes(key))
        except MissingObject:
            raise problem from None
        if written.token != entry.token:
            raise StoreError(f"alias {alias!r} was moved to version {written.version} by run {written.run_id} at the "
                             "same moment. Nothing was changed; run again.") from problem  # fmt: skip
    return Release(manifest=manifest, entry=entry)


def _next_entry(
    manifest: Manifest, newest: AliasEntry | None, *, alias: str, run_id: str, why: str, store: ObjectStore
) -> AliasEntry:
    previous = store.get_bytes(store.keys.generation(alias, newest.generation)) if newest else None
    return AliasEntry(
        alias=alias, generation=newest.generation + 1 if newest else 1, version=manifest.version,
        previous_version=newest.version if newest else None,
        manifest_sha256=hashlib.sha256(store.get_bytes(store.keys.manifest(manifest.version))).hexdigest(),
        previous_entry_sha256=hashlib.sha256(previous).hexdigest() if previous else None,
        token=secrets.token_hex(16), run_id=run_id, who=_who(), at=datetime.now(UTC), why=why,
    )  # fmt: skip


def read_alias(alias: str, *, store: ObjectStore) -> Release | None:
    """The version that an alias names now, its manifest verified; None before the first release."""
    newest = _newest(alias, store)
    if newest is None:
        return None
    data = store.get_bytes(store.keys.manifest(newest.version))
    if hashlib.sha256(data).hexdigest() != newest.manifest_sha256:
        raise CorruptObject(f"the manifest of version {newest.version} is not the one that alias {alias!r} was moved "
                            "to: it was changed. Roll back to another version.")  # fmt: skip
    return Release(manifest=Manifest.model_validate_json(data), entry=newest)


def require_alias(alias: str, *, store: ObjectStore) -> Release:
    found = read_alias(alias, store=store)
    if found is None:
        raise NoChampion(f"alias {alias!r} names no version yet: nothing was released. Run `upkeep bootstrap SPEC`.")
    return found


def read_version(version: int, *, store: ObjectStore) -> Manifest:
    try:
        return Manifest.model_validate_json(store.get_bytes(store.keys.manifest(version)))
    except MissingObject as problem:
        raise SpecError(f"version {version} does not exist; there are: {list_versions(store=store)}") from problem


def list_versions(*, store: ObjectStore) -> list[int]:
    """The versions that are whole."""
    keys = store.list_keys(store.keys.versions)
    return [int(key.split("/")[1]) for key in keys if key.endswith("/manifest.json")]


def read_log(alias: str, *, store: ObjectStore) -> list[AliasEntry]:
    """Every generation of an alias, newest first."""
    keys = store.list_keys(store.keys.alias(alias))
    return [AliasEntry.model_validate_json(store.get_bytes(key)) for key in keys]


def weights_of(manifest: Manifest, *, store: ObjectStore) -> Weights:
    prefix = store.keys.version(manifest.version)
    return Weights(prefix=prefix, files=manifest.files, content_digest=manifest.content_digest + "-released")


@task(name="verify version", cache_policy=NO_CACHE)
def verify_version(manifest: Manifest, *, kind: ModelKind, store: ObjectStore) -> Manifest:
    """Downloads, verifies and loads a version, past any cache; raises where it is not what was released."""
    draft = Path(mkdtemp(dir=store.work, prefix="verify-"))
    try:
        store.download_folder(store.keys.version(manifest.version), manifest.files, draft)
        adapter_for(manifest.task).load(draft, kind, new_head=False)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def pull(manifest: Manifest, target: Path, *, store: ObjectStore) -> None:
    """A verified copy of a version in a folder of one's own, which appears whole or not at all."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SpecError(f"{target} exists and is not an empty folder; name a new one, nothing is overwritten")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        store.download_folder(store.keys.version(manifest.version), manifest.files, draft)
        (draft / "manifest.json").write_bytes(store.get_bytes(store.keys.manifest(manifest.version)))
        draft.chmod(0o755)
        draft.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _newest(alias: str, store: ObjectStore) -> AliasEntry | None:
    keys = store.list_keys(store.keys.alias(alias), limit=1)
    return AliasEntry.model_validate_json(store.get_bytes(keys[0])) if keys else None


def _number(claim_key: str) -> int:
    return int(Path(claim_key).stem)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
