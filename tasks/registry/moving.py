"""A version is never moved to and deleted at once, without a lock, as long as clocks agree within half a day. Flags are
forgotten after a day (`FORGOTTEN`); a process that stood still for half of that gives up by itself (`Look`).

Who moves an alias announces it and then looks for a tombstone; who deletes puts the tombstone and then looks for an
announcement. Whichever comes first in the store, at least one of the two sees the other and steps back (Dekker's
algorithm). The store must show a write to every later read, as S3 does since 2020.
"""

import json
import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from errors import CorruptObject, MissingObject, SpecError, StoreError
from infra.keys import RECORD, versions_of
from infra.object_store import ObjectStore

logger = logging.getLogger(__name__)
FORGOTTEN = timedelta(days=1)
"""An announcement or a tombstone that is older was left behind by a process that died."""


class Look:
    """A moment at which a process looked at the store. What it saw then is no reason to write long afterwards: others
    may have taken it for dead. By two clocks: a machine that is put to sleep stops the one, people set the other."""

    LONGEST = FORGOTTEN / 2

    def __init__(self) -> None:
        self._wall, self._steady = time.time(), time.monotonic()

    @property
    def age(self) -> timedelta:
        return timedelta(seconds=max(time.time() - self._wall, time.monotonic() - self._steady))

    def require_recent(self) -> None:
        """To be asked right before a request that cannot be taken back."""
        if self.age > self.LONGEST:
            raise StoreError(
                f"this process stood still for {self.age} since it looked at the registry; after more than {self.LONGEST} "
                "others may take it for dead, so it stopped before it would write. Nothing is half done: run again."
            )


@contextmanager
def announced(version: int, token: str, *, store: ObjectStore) -> Iterator[Look]:
    """While an alias is moved to a version; SpecError where that version is being, or was, deleted."""
    key, look = store.keys.move(version, token), Look()
    store.put_bytes(key, json.dumps({"at": datetime.now(UTC).isoformat()}).encode())
    try:
        if is_entombed(version, store=store):
            raise SpecError(_buried(version, store))
        yield look
    finally:
        _withdraw(key, store)


def _buried(version: int, store: ObjectStore) -> str:
    if not store.exists(store.keys.manifest(version)):
        return f"version {version} was deleted by `upkeep gc`; `upkeep versions SPEC` lists what is there"
    return (f"`upkeep gc` began to delete version {version}. If that was killed: the next `upkeep gc SPEC --apply` ends the "
            "deletion, or takes it back after a day where the version is to be kept, for one by --keep. No alias was moved.")  # fmt: skip


def _withdraw(key: str, store: ObjectStore) -> None:
    """An announcement that stays keeps `upkeep gc` from one version for a day, and is no reason to call a move failed,
    nor to hide why one did fail."""
    try:
        store.delete(key)
    except StoreError as problem:
        logger.warning("%s stays: %s", store.uri(key), problem)


def entomb(version: int, *, now: datetime, store: ObjectStore) -> str | None:
    """Puts a tombstone and answers with its key; None, and no trace left, where an alias is being moved there.

    The caller then still looks at the aliases, and takes the tombstone away again if one of them names the version.
    A caller that dies before it leaves a tombstone that the next `upkeep gc` makes true, or takes away (`exhume`).
    """
    key = store.keys.tombstone(version, secrets.token_hex(8))
    store.put_bytes(key, json.dumps({"at": datetime.now(UTC).isoformat()}).encode())  # not when its gc began
    if not any(_is_recent(move, now, store) for move in store.list_keys(store.keys.moves_to(version))):
        return key
    store.delete(key)
    return None


def is_entombed(version: int, *, store: ObjectStore) -> bool:
    return bool(store.list_keys(store.keys.tombstones_of(version), limit=1))


def entombed(*, store: ObjectStore) -> set[int]:
    """Versions that `upkeep gc` deleted, or began to delete."""
    return versions_of(store.list_keys(store.keys.tombstones))


def exhume(version: int, *, now: datetime, apply: bool, store: ObjectStore) -> bool:
    """Takes away the tombstones of a version that is to be kept, but for those that a running gc may just have put;
    whether none is left. Without `apply`: whether none would be."""
    stones = store.list_keys(store.keys.tombstones_of(version))
    old = [stone for stone in stones if not _is_recent(stone, now, store)]
    for stone in old if apply else ():
        store.delete(stone)
    return len(old) == len(stones)


def forget(*, now: datetime, apply: bool, store: ObjectStore) -> None:
    """Deletes the announcements of processes that died; without `apply` they are only read."""
    for move in store.list_keys(store.keys.moves, named=RECORD):
        if not _is_recent(move, now, store) and apply:
            store.delete(move)


def _is_recent(key: str, now: datetime, store: ObjectStore) -> bool:
    try:
        return now - datetime.fromisoformat(json.loads(store.get_bytes(key))["at"]) < FORGOTTEN
    except MissingObject:  # taken back in the meantime
        return False
    except (ValueError, KeyError, TypeError) as problem:
        raise CorruptObject(f"{store.uri(key)} says no moment ({problem}), so that nobody can tell whether a process that lives "
                            "wrote it. Nothing was deleted. If none moves an alias or collects now, delete it.") from problem  # fmt: skip
