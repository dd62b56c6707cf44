"""Blobs that nothing names any more: given up first, deleted a day later, so that no run loses one that it relies on.

A run does not write a blob that is there (`put_blob`), nor does it work out what an earlier one has (`infra/stages.py`).
So a blob may be old and unnamed, and a run be about to name it. No lock keeps the two apart; gc proceeds as readers of a
structure are waited for before a part of it is freed (read-copy-update: McKenney and Slingwine, 1998):

1. Old records of saved work go, so that no run finds blobs through them. Who uses one keeps it young.
2. An old blob that no other record names is *given up*, by a mark beside it. From then on nobody begins to rely on it:
   who has the same bytes stores them under another key, the next edition. What gc deletes is never written again.
3. A later gc deletes it, a day or more after the mark, if no run is open and no record names it. Whoever had found the
   blob before the mark has named it by then, in the record of a stage or of a run, or his run is still open: then it
   stays, and the mark with it, which harms no reader. A run that began since does not rely on the blob.
4. The mark is renewed before the deletion and stays for another day, lest a deletion that comes late meets new bytes.

So nothing hangs on how long gc takes. Three things are assumed: a write is seen by every later read and listing; the
store's clock and gc's agree within half a day; no run whose opening record is gone (two at once, one of which ended) goes
on for longer than a day. gc itself gives up when it has stood still for half of that.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from infra.keys import Keys
from infra.object_store import ObjectStore
from models.contracts import Removal
from tasks.formats import amount
from tasks.registry.documents import SAVED_WORK, Found, digests_in, is_record, look_around
from tasks.registry.moving import FORGOTTEN, Look


class Fate(Enum):
    """What becomes of a blob, and why."""

    NAMED = "named by a version, a run, a question or another record"
    YOUNG = "nobody names them, and they are younger than {age.days} days"
    UNNAMED = "nobody names them: {given_up}"
    GIVEN_UP = "nobody names them, and gc gave them up less than a day ago: a later gc deletes them"
    DELETED = "nobody names them, and gc gave them up more than a day ago"


@dataclass(frozen=True)
class Kept:
    """What keeps a blob: its age, or a name in a record."""

    age: timedelta
    """Whatever is younger stays, named or not."""
    reports: timedelta | None = None
    """Reports of runs that ended longer ago, and what lies beside them, keep nothing, and stay themselves; None: they keep what
    they name."""
    waiting: frozenset[str] = frozenset()
    """Runs whose reports keep what they name all the same: a later run takes up what they left."""

    def is_read(self, record: Found, now: datetime) -> bool:
        """Whether this record keeps what it names."""
        run, below, _ = record.key.removeprefix(Keys.runs).partition("/")
        if self.reports is None or not record.key.startswith(Keys.runs) or not below:
            return True
        return run in self.waiting or now - record.modified < self.reports


@dataclass(frozen=True)
class Survey:
    """What was there at one look. A digest that is `named` and not `wanted` stands only in records that now go."""

    blobs: tuple[Found, ...]
    marks: dict[str, Found]
    """By the key of the blob that was given up."""
    unused: tuple[Found, ...]
    """Old records of saved work."""
    wanted: frozenset[str]
    named: frozenset[str]


def collect_blobs(
    kept: Kept, *, under_way: bool, now: datetime, apply: bool, store: ObjectStore
) -> tuple[Removal, ...]:
    """Blobs by kind and fate, and old records of saved work; without `apply` nothing is changed. `under_way` must have
    been looked up before, and `now` be no later than that by more than moments."""
    if under_way:
        return (Removal(what="blobs", bytes=0, removed=False, because="a run is open, which may use any of them"),)
    look = Look()
    found = _survey(kept, now, store)
    fates = {blob: _fate(blob, found, kept.age, now) for blob in found.blobs}
    if apply:
        _act(found, fates, now, look, store)
    return tuple(_tell(found, fates, kept.age, apply))


def _tell(found: Survey, fates: Mapping[Found, Fate], age: timedelta, apply: bool) -> Iterator[Removal]:
    if found.unused:
        because = f"no run used them for {age.days} days"
        yield _removal(f"{amount(len(found.unused), 'record')} of work", found.unused, True, because)
    given_up = "given up, to be deleted a day later" if apply else "--apply gives them up, and deletes them a day later"
    for kind, fate in sorted(
        {(blob.kind, fate) for blob, fate in fates.items()}, key=lambda pair: (pair[0], pair[1].name)
    ):
        blobs = [blob for blob in fates if (blob.kind, fates[blob]) == (kind, fate)]
        because = fate.value.format(age=age, given_up=given_up)
        yield _removal(f"{amount(len(blobs), 'blob')} of {kind}", blobs, fate is Fate.DELETED, because)


def _removal(what: str, found: Sequence[Found], removed: bool, because: str) -> Removal:
    return Removal(what=what, bytes=sum(one.bytes for one in found), removed=removed, because=because)


def _survey(kept: Kept, now: datetime, store: ObjectStore) -> Survey:
    found = look_around(store=store)
    records = [one for one in found if is_record(one.key) and kept.is_read(one, now)]
    unused = tuple(r for r in records if r.key.startswith(SAVED_WORK) and now - r.modified >= kept.age)
    going = {record.key for record in unused}
    wanted = digests_in((record.key for record in records if record.key not in going), store=store)
    there = [one for one in found if one.key.startswith(Keys.blobs)]
    return Survey(
        blobs=tuple(one for one in there if one.digest and not one.key.endswith(Keys.given_up)),
        marks={one.key.removesuffix(Keys.given_up): one for one in there if one.key.endswith(Keys.given_up)},
        unused=unused, wanted=wanted, named=wanted | digests_in(going, store=store),
    )  # fmt: skip


def _fate(blob: Found, found: Survey, age: timedelta, now: datetime) -> Fate:
    if blob.digest in found.wanted:
        return Fate.NAMED
    if now - blob.modified < age:
        return Fate.YOUNG
    mark = found.marks.get(blob.key)
    if mark is None or blob.digest in found.named:  # until now, by a record that somebody may just have read
        return Fate.UNNAMED
    return Fate.GIVEN_UP if now - mark.modified < FORGOTTEN else Fate.DELETED


def _act(found: Survey, fates: Mapping[Found, Fate], now: datetime, look: Look, store: ObjectStore) -> None:
    for record in found.unused:  # before any blob that they name is given up
        _delete(record.key, look, store)
    for blob, fate in fates.items():
        if fate in {Fate.UNNAMED, Fate.DELETED}:
            store.put_bytes(blob.key + Keys.given_up, b"{}")
        if fate is Fate.DELETED:
            _delete(blob.key, look, store)
    there = {blob.key for blob in fates}
    for key, mark in found.marks.items():
        if key not in there and now - mark.modified >= FORGOTTEN:
            _delete(mark.key, look, store)


def _delete(key: str, look: Look, store: ObjectStore) -> None:
    look.require_recent()
    store.delete(key)
