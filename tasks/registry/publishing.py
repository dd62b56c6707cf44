"""Publishing a version: its number is claimed by a conditional write, its files follow, its manifest comes last and only if there
is none."""

import json
from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import KeyTaken, StoreError
from infra.copying import Duplicate
from infra.files import sha256_of_bytes
from infra.keys import versions_of
from infra.object_store import ObjectStore
from infra.sealed import sealed
from models.card import model_card
from models.contracts import (
    EVIDENCE,
    Candidate,
    Evidence,
    FileEntry,
    Lineage,
    Manifest,
    Measured,
    Measurement,
    ModelKind,
    Reference,
)
from tasks.registry.moving import is_entombed
from tasks.registry.versions import read_version
from tasks.security.signing import sign_version

TRIES = 50
CARD = "README.md"


@task(name="publish version", cache_policy=NO_CACHE)
def publish(
    candidate: Candidate, *, model: str, kind: ModelKind, reference: Reference, measured: tuple[Measurement, ...],
    evidence: Evidence | Measured, lineage: Lineage, created_at: datetime, store: ObjectStore,
) -> Manifest:  # fmt: skip
    """A new immutable version, copied server-side from the candidate's files. Publishing twice makes one.

    `evidence` becomes a file of the version; the entry of an alias that is moved to it names its digest.
    """
    version = _claim(candidate.content_digest + lineage.run_id, store)
    key = store.keys.manifest(version)
    if store.exists(key):
        return read_version(version, store=store)
    if is_entombed(version, store=store):  # since it was claimed; a manifest goes only after its tombstone
        raise StoreError(f"`upkeep gc` deleted version {version} at this very moment. Nothing was changed; run again.")
    card = model_card(model, version, kind.task, kind.labels, measured, lineage, variants=evidence.variants,
                      library="" if kind.hosted else "transformers")  # fmt: skip
    written = {CARD: card.encode(), EVIDENCE: evidence.model_dump_json(indent=1).encode()}
    manifest = Manifest(
        model=model, version=version, parent=candidate.parent, task=kind.task, labels=kind.labels, created_at=created_at,
        files=_put_files(candidate, written, store.keys.version(version), store),
        content_digest=candidate.content_digest, reference=reference, measured=measured, lineage=lineage,
    )  # fmt: skip
    data = sealed(manifest)
    sign_version(manifest, data, store=store)
    store.put_bytes(key, data, if_absent=True)
    return manifest


def _put_files(
    candidate: Candidate, written: dict[str, bytes], prefix: str, store: ObjectStore
) -> tuple[FileEntry, ...]:
    """The candidate's files, and ours in the place of any that have the same name; all of them, since what a run that
    broke off had put there may be no good."""
    files = tuple(file for file in candidate.files if file.path not in written)
    store.copy_files(
        [Duplicate(store.uri(candidate.prefix + f.path), store.uri(prefix + f.path), f.bytes) for f in files]
    )
    for path, data in written.items():
        store.put_bytes(prefix + path, data)
    ours = (FileEntry(path=p, sha256=sha256_of_bytes(d), bytes=len(d)) for p, d in written.items())
    return (*files, *ours)


def _claim(token: str, store: ObjectStore) -> int:
    """The number that this content holds in this run: its own claim where it has one, else the next free one. Where
    `upkeep gc` began to delete what it was given to, that number is lost, and it gets another."""
    taken = sorted(versions_of(store.list_keys(store.keys.claims)))
    for version in reversed(taken[-TRIES:]):
        claim = store.get_bytes(store.keys.claim(version))
        if claim == _claimed_by(token) and not is_entombed(version, store=store):
            return version
    following = taken[-1] + 1 if taken else 1
    for version in range(following, following + TRIES):
        try:
            store.put_bytes(store.keys.claim(version), _claimed_by(token), if_absent=True)
        except KeyTaken:
            continue
        return version
    raise StoreError(f"no version number could be claimed in {TRIES} tries: too many writers; try again")


def _claimed_by(token: str) -> bytes:
    return json.dumps({"token": token}).encode()
