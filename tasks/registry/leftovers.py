"""What runs left and nobody asks for any more: candidates that were released or refused long ago, models that no run measures
with, and uploads whose process died."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from errors import CorruptObject, MissingObject, StoreError
from infra.keys import RECORD
from infra.object_store import ObjectStore
from infra.unfinished import abort_unfinished, list_unfinished
from models.contracts import Removal


def collect_instruments(age: timedelta, *, now: datetime, apply: bool, store: ObjectStore) -> Iterator[Removal]:
    """Who measures with one keeps it young, and sends again what is not there (`import_instruments`)."""
    for prefix, (size, used) in folders_below(store.keys.instruments, store).items():
        if now - used < age:
            continue
        if apply:
            delete_all(prefix, store)
        because = f"no run measured with it for {age.days} days"
        yield Removal(what=f"instrument {prefix.split('/')[1][:12]}", bytes=size, removed=True, because=because)


def collect_candidates(age: timedelta, *, now: datetime, apply: bool, store: ObjectStore) -> Iterator[Removal]:
    """A version has files of its own; a candidate's are only needed until it is released or refused."""
    old = {
        prefix: size for prefix, (size, modified) in folders_below(store.keys.candidates, store).items()
        if now - modified >= age
    }  # fmt: skip
    records = _records(store) if old else {}
    for prefix, size in old.items():
        if apply:  # the record first, or a later run would believe that these files are there
            for key in records.get(prefix, ()):
                store.delete(key)
            delete_all(prefix, store)
        yield Removal(
            what=f"candidate {prefix.split('/')[1][:12]}", bytes=size, removed=True, because="trained long ago"
        )


def _records(store: ObjectStore) -> dict[str, list[str]]:
    """Prefix of a candidate -> what says that its files are there: records of stages, results of jobs."""
    found: dict[str, list[str]] = {}
    folders = [f"{store.keys.stages}{stage}/" for stage in ("candidate", "adopt", "variants")]
    stages = [key for folder in folders for key in store.list_keys(folder, named=RECORD)]
    results = [key for key in store.list_keys(store.keys.jobs) if key.endswith(store.keys.result_name)]
    for key in (*stages, *results):
        try:
            record = json.loads(store.get_bytes(key))
        except MissingObject:  # deleted in the meantime
            continue
        except ValueError as problem:
            raise CorruptObject(f"{store.uri(key)} is no JSON ({problem}), so that nobody can tell which candidate it names. "
                                "Nothing was deleted. Delete it: what it says is worked out anew.") from problem  # fmt: skip
        candidate = record.get("came_to", {}).get("candidate", {}) if key in results else record
        if prefix := candidate.get("prefix"):  # a scoring's result names none, nor a training that stopped at its cap
            found.setdefault(prefix, []).append(key)
    return found


def collect_uploads(age: timedelta, *, now: datetime, apply: bool, store: ObjectStore) -> Iterator[Removal]:
    """Below the model's own prefix, those that nobody went on with for so long: the store would keep their parts for ever. Where the
    store does not show or end them, that is said, and is no reason for gc to fail: its other work is done."""
    try:
        for found in list_unfinished(store.client, store.bucket, store.prefix, before=now - age):
            if apply:
                abort_unfinished(store.client, found)
            yield Removal(
                what=f"upload of {store.key_of(found.uri)}", bytes=found.bytes, removed=True,
                because=f"nobody went on with it for {age.days} days",
            )  # fmt: skip
    except StoreError as problem:
        yield Removal(
            what="uploads", bytes=0, removed=False, because=f"those that nobody ended could not be collected: {problem}"
        )


def delete_all(prefix: str, store: ObjectStore) -> None:
    """The markers of folders too, and last: a folder that holds something may not be deleted by every store."""
    for listed in reversed([*store.list_objects(store.uri(prefix))]):
        store.delete(store.key_of(listed.uri))


def folders_below(prefix: str, store: ObjectStore) -> dict[str, tuple[int, datetime]]:
    """Folder below a prefix -> its bytes, and when it was last written to."""
    found: dict[str, tuple[int, datetime]] = {}
    for listed in store.list_objects(store.uri(prefix)):
        _, name, *below = store.key_of(listed.uri).split("/")
        if not below:  # a console's marker of the whole, a file manager's notes
            continue
        folder = f"{prefix}{name}/"
        size, modified = found.get(folder, (0, listed.modified))
        found[folder] = (size + listed.bytes, max(modified, listed.modified))
    return found
