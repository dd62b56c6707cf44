"""Which blobs does anything name? Every record in a model's part of the store is read for that.

There is no list of records and fields, which would rot: whatever is JSON is read, old or new, but for the kinds of keys
of which it is known that they name no blob (`NAMELESS`). A blob is named where its SHA-256 stands anywhere in a text:
in an address, in a digest, in JSON inside of JSON. So too much may be kept, and never too little.
"""

import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from errors import CorruptObject, MissingObject
from infra.keys import MANIFEST, Keys
from infra.object_store import READERS, ObjectStore
from models.contracts import EVIDENCE

NAMELESS = (Keys.blobs, Keys.candidates, Keys.instruments, Keys.labels, Keys.history, Keys.claims, Keys.moves,
            Keys.tombstones, Keys.probe)  # fmt: skip
"""Rows, weights and flags; and the history, which tells windows apart by their digests and needs none. Of a version, likewise,
only what Upkeep itself wrote is read."""
SAVED_WORK = (Keys.stages, Keys.jobs)
"""What can be worked out anew. Who uses one of these keeps it young (`ObjectStore.get_used`)."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Found:
    """An object below the model's prefix."""

    key: str
    bytes: int
    modified: datetime

    @property
    def kind(self) -> str:
        """Of a blob: what it holds."""
        return self.key.split("/")[1]

    @property
    def digest(self) -> str | None:
        """Of a blob's bytes; None where its name is none that Upkeep gives."""
        match = _DIGEST.match(self.key.rpartition("/")[2])
        return match and match[0]


def look_around(*, store: ObjectStore) -> tuple[Found, ...]:
    """Every object of the model."""
    return tuple(Found(store.key_of(o.uri), o.bytes, o.modified) for o in store.list_objects(store.uri("")))


def is_record(key: str) -> bool:
    if key.startswith(Keys.versions):
        return key.rpartition("/")[2] in {MANIFEST, EVIDENCE}
    return key.endswith(".json") and not key.startswith(NAMELESS)


def digests_in(keys: Iterable[str], *, store: ObjectStore) -> frozenset[str]:
    """Whatever looks like a SHA-256 in these records; CorruptObject where one of them cannot be read, since nobody knows
    what it names."""
    with ThreadPoolExecutor(READERS) as pool:
        return frozenset(digest for found in pool.map(lambda key: set(_read(key, store)), keys) for digest in found)


def _read(key: str, store: ObjectStore) -> Iterator[str]:
    try:
        text = store.get_bytes(key).decode()
        json.loads(text)
    except MissingObject:  # a run that ended since, or another gc
        return
    except ValueError as problem:
        raise CorruptObject(
            f"{store.uri(key)} is no JSON ({problem}), so that nobody can tell which blobs it names. Nothing was deleted. "
            "Restore it or, if nobody needs it, delete it; --blobs-older-than never leaves blobs alone."
        ) from problem
    yield from _DIGEST.findall(text)
