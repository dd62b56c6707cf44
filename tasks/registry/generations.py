"""Moving an alias: the next generation of its log, if nobody else has written that first."""

import secrets
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import KeyTaken, StoreError
from infra.files import sha256_of_bytes
from infra.object_store import ObjectStore
from infra.sealed import sealed, unsealed
from models.contracts import AliasEntry, Manifest, Release
from tasks.registry.aliases import read_log, whoami
from tasks.registry.moving import announced
from tasks.security.signing import require_signature

LOOK_FIRST = ("It was not moved again; look at `upkeep versions SPEC` before you run again: an answer that was given stands, and a "
              "rollback goes back from what is champion by then.")  # fmt: skip


@task(name="move alias", cache_policy=NO_CACHE)
def move_alias(
    manifest: Manifest, *, alias: str, expected: AliasEntry | None, run_id: str, why: str, store: ObjectStore
) -> Release:
    """The next generation of an alias. `expected` is the entry that must be its newest (None: it has none), unless this run has
    moved it already: to the same version, then that is the answer; to another, as a run may that was killed behind its
    release and trained anew (on a GPU, or by a newer Upkeep), then it moves on from its own. An entry and not a version: somebody may
    have moved it on and back to the same version meanwhile."""
    require_signature(manifest, store=store)
    newest = next(iter(read_log(alias, store=store, limit=1)), None)
    own = newest is not None and newest.run_id == run_id
    if newest and own and newest.version == manifest.version:
        return Release(manifest=manifest, entry=newest)
    if not own and (newest and newest.generation) != (expected and expected.generation):
        raise StoreError(f"alias {alias!r} points to {_named(newest)}, this run started from {_named(expected)}: somebody else moved "
                         f"it. {LOOK_FIRST}")  # fmt: skip
    token = secrets.token_hex(16)
    with announced(manifest.version, token, store=store) as look:
        entry = _next_entry(manifest, newest, alias=alias, token=token, run_id=run_id, why=why, store=store)
        key = store.keys.generation(alias, entry.generation)
        look.require_recent()
        try:
            store.put_bytes(key, sealed(entry), if_absent=True)
        except KeyTaken as problem:
            written = unsealed(AliasEntry, store.get_bytes(key), uri=store.uri(key))
            raise StoreError(f"alias {alias!r} was moved to version {written.version} by run {written.run_id} at the "
                             f"same moment. {LOOK_FIRST}") from problem  # fmt: skip
    return Release(manifest=manifest, entry=entry)


def _named(entry: AliasEntry | None) -> str:
    return f"version {entry.version} (generation {entry.generation})" if entry else "no version"


def _next_entry(
    manifest: Manifest, newest: AliasEntry | None, *,
    alias: str, token: str, run_id: str, why: str, store: ObjectStore,
) -> AliasEntry:  # fmt: skip
    previous = store.get_bytes(store.keys.generation(alias, newest.generation)) if newest else None
    return AliasEntry(
        alias=alias, generation=newest.generation + 1 if newest else 1, version=manifest.version,
        previous_version=newest.version if newest else None,
        manifest_sha256=sha256_of_bytes(store.get_bytes(store.keys.manifest(manifest.version))),
        evidence_sha256=manifest.evidence_sha256,
        previous_entry_sha256=sha256_of_bytes(previous) if previous else None,
        token=token, run_id=run_id, who=whoami(), at=datetime.now(UTC), why=why,
    )  # fmt: skip
