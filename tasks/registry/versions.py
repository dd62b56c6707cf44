"""Immutable versions: plain model files under a prefix of their own, described by a manifest that comes last.

A version's number is claimed by a conditional write, its files follow, its manifest comes last and only if there is
none: a version without a manifest does not exist.
"""

import json
from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import CorruptObject, KeyTaken, MissingObject, SpecError, StoreError
from infra.copying import Duplicate
from infra.files import Stored, sha256_of_bytes
from infra.keys import versions_of
from infra.object_store import ObjectStore
from infra.sealed import sealed, unsealed
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
    Weights,
)
from models.variants import is_of_a_variant
from tasks.registry.moving import is_entombed
from tasks.security.signing import require_signature, sign_version

ELSEWHERE = "Where something was released before, the spec's name, UPKEEP_S3_BUCKET, UPKEEP_S3_PREFIX or UPKEEP_HOME is another now."

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


def read_version(version: int, *, store: ObjectStore) -> Manifest:
    key = store.keys.manifest(version)
    try:
        manifest = unsealed(Manifest, store.get_bytes(key), uri=store.uri(key))
    except MissingObject as problem:
        fate = "was deleted by `upkeep gc`" if is_entombed(version, store=store) else "does not exist"
        others = list_versions(store=store)
        known = f"there are: {others}" if others else f"there is none below {store.uri('')}. {ELSEWHERE}"
        raise SpecError(f"version {version} {fate}; {known}") from problem
    if manifest.version != version:
        raise CorruptObject(f"{store.uri(key)} is of {manifest.model!r} version {manifest.version}: it was copied there. "
                            "Nothing was loaded. Restore the object from a copy or an older object version.")  # fmt: skip
    return manifest


def read_evidence(manifest: Manifest, *, store: ObjectStore) -> Evidence:
    """Scorecard and verdicts of a version that was judged against a champion: every one but the first."""
    file = next(file for file in manifest.files if file.path == EVIDENCE)
    uri = store.uri(store.keys.version(manifest.version) + EVIDENCE)
    return Evidence.model_validate_json(store.get_file(Stored(uri, file.sha256, file.bytes)).read_bytes())


def why_chosen(manifest: Manifest, *, store: ObjectStore) -> Evidence | None:
    """None of a first champion, which was judged against no other."""
    return read_evidence(manifest, store=store) if manifest.parent and manifest.evidence_sha256 else None


def list_versions(*, store: ObjectStore) -> list[int]:
    """The versions that are whole."""
    keys = store.list_keys(store.keys.versions)
    return sorted(versions_of(key for key in keys if key.endswith("/manifest.json") and key.count("/") == 2))


def weights_of(manifest: Manifest, *, store: ObjectStore) -> Weights:
    """What a released version is loaded from, without its variants. UnsignedRelease where the spec demands a signature and it is not valid."""
    require_signature(manifest, store=store)
    prefix = store.keys.version(manifest.version)
    files = tuple(file for file in manifest.files if not is_of_a_variant(file.path))
    return Weights(prefix=prefix, files=files, content_digest=manifest.content_digest + "-released")
