"""Aliases: append-only logs of generations. The newest entry is the pointer, all of them are the audit trail.

An alias moves by writing the next generation if nobody else has; whoever comes second is told so. Each entry carries
the SHA-256 of the one before and of the manifest that it names.
"""

import getpass
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import CorruptObject, KeyTaken, MissingObject, NoChampion, StoreError, UpkeepError
from infra.files import sha256_of_bytes
from infra.keys import RECORD
from infra.object_store import ObjectStore
from infra.sealed import sealed, unsealed
from models.contracts import AliasEntry, Manifest, Release
from tasks.registry.moving import announced
from tasks.registry.versions import ELSEWHERE
from tasks.security.signing import require_signature

LOOK_FIRST = "Nothing was changed; look at `upkeep versions SPEC` before you run again: a rollback goes back from what is champion by then."


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


def read_alias(alias: str, *, store: ObjectStore) -> Release | None:
    """The version that an alias names now, its manifest verified; None before the first release."""
    newest = next(iter(read_log(alias, store=store, limit=1)), None)
    if newest is None:
        return None
    key = store.keys.manifest(newest.version)
    try:
        data = store.get_bytes(key)
    except MissingObject as problem:
        raise CorruptObject(f"alias {alias!r} names version {newest.version}, whose manifest is gone: somebody deleted "
                            f"{store.uri(key)}. Restore it, or roll back to another version.") from problem  # fmt: skip
    if sha256_of_bytes(data) != newest.manifest_sha256:
        raise CorruptObject(f"the manifest of version {newest.version} is not the one that alias {alias!r} was moved "
                            "to: it was changed. Roll back to another version.")  # fmt: skip
    return Release(manifest=unsealed(Manifest, data, uri=store.uri(key)), entry=newest)


def require_alias(alias: str, *, store: ObjectStore) -> Release:
    found = read_alias(alias, store=store)
    if found is None:
        raise _no_champion(alias, store)
    return found


def newest_entry(alias: str, *, store: ObjectStore) -> AliasEntry:
    """What an alias says now, whatever became of the version that it names."""
    for entry in read_log(alias, store=store, limit=1):
        return entry
    raise _no_champion(alias, store)


def _no_champion(alias: str, store: ObjectStore) -> UpkeepError:
    others = ", ".join(list_aliases(store=store))
    if not others and store.list_keys(store.keys.history, limit=1, named=RECORD):
        return CorruptObject(f"alias {alias!r} names no version, although runs have finished here: its log was deleted. Restore what was "
                             f"below {store.uri(store.keys.alias(alias))} from a copy or older object versions; `upkeep audit SPEC` names "
                             "the runs that moved it.")  # fmt: skip
    way_out = (f"This model's versions are named by {others}: write that as release.alias, or give the spec another name to begin "
               "anew." if others else f"Run `upkeep bootstrap SPEC`. {ELSEWHERE}")  # fmt: skip
    return NoChampion(f"alias {alias!r} names no version yet: nothing was released below {store.uri('')}. {way_out}")


def read_log(alias: str, *, store: ObjectStore, limit: int | None = None) -> list[AliasEntry]:
    """Every generation of an alias, newest first."""
    keys = list_entries(alias, store=store, limit=limit)
    return [_entry_of(data, key, store) for key, data in zip(keys, store.get_each(keys), strict=True)]


def walk_log(alias: str, *, store: ObjectStore) -> Iterator[AliasEntry]:
    """The same, each read when it is asked for: who looks for a recent one needs none of those before."""
    for key in list_entries(alias, store=store):
        yield _entry_of(store.get_bytes(key), key, store)


def _entry_of(data: bytes, key: str, store: ObjectStore) -> AliasEntry:
    entry = unsealed(AliasEntry, data, uri=store.uri(key))
    if key != store.keys.generation(entry.alias, entry.generation):
        raise CorruptObject(f"{store.uri(key)} is generation {entry.generation} of alias {entry.alias!r}: it was copied there. Nothing "
                            "was loaded. Restore the object from an older object version or, if there was none before, delete it.")  # fmt: skip
    return entry


def list_entries(alias: str, *, store: ObjectStore, limit: int | None = None) -> list[str]:
    """Their keys, newest first."""
    return store.list_keys(store.keys.alias(alias), limit=limit, named=RECORD)


def list_aliases(*, store: ObjectStore) -> list[str]:
    keys = store.list_keys(store.keys.aliases, named=RECORD)
    return sorted({key.split("/")[1] for key in keys if key.count("/") == 2})


def whoami() -> str:
    """Who runs this process, by the machine's word."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
