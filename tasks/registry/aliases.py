"""Aliases: append-only logs of generations. The newest entry is the pointer, all of them are the audit trail.

An alias moves by writing the next generation if nobody else has; whoever comes second is told so. Each entry carries
the SHA-256 of the one before and of the manifest that it names.
"""

import getpass
from collections.abc import Iterator

from errors import CorruptObject, MissingObject, NoChampion, UpkeepError
from infra.files import sha256_of_bytes
from infra.keys import RECORD
from infra.object_store import ObjectStore
from infra.sealed import unsealed
from models.contracts import AliasEntry, Manifest, Release
from tasks.registry.versions import ELSEWHERE


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
