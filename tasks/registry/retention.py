"""What may go: blobs that nothing names, old versions that nobody names or asks about, half-written ones, candidates that
were released or refused long ago, models that no run measures with any more, and uploads that nobody went on with.

A version is deleted tombstone first, manifest next: from then on it does not exist, and a deletion that was killed is
finished by the next. Where that finds the version whole, and to be kept by now, it takes the tombstone away instead. A
number is never given out again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from errors import CorruptObject, SpecError
from infra.keys import version_of
from infra.object_store import ObjectStore
from models.contracts import Manifest, Removal
from tasks.registry.aliases import list_aliases, read_log
from tasks.registry.approvals import Question, Standing, find_question, list_questions
from tasks.registry.blobs import Kept, collect_blobs
from tasks.registry.leftovers import collect_candidates, collect_instruments, collect_uploads, delete_all, folders_below
from tasks.registry.moving import Look, entomb, entombed, exhume, forget
from tasks.registry.versions import list_versions, read_version


@dataclass(frozen=True)
class Retention:
    """Everything is kept that any of these names."""

    versions: int
    """The newest so many."""
    age: timedelta
    """Whatever is younger."""
    entries: int
    """What the last so many entries of any alias' log name; what an alias points to now is always kept."""
    uploads: timedelta = timedelta(days=7)
    """Unfinished uploads that somebody went on with since."""
    blobs: Kept | None = None
    """None: all of them."""


def collect(
    retention: Retention, *, under_way: bool, now: datetime, apply: bool, store: ObjectStore
) -> tuple[Removal, ...]:
    """Looks at all blobs, versions, models and unfinished uploads; deletes nothing without `apply`. `under_way`: a run
    is open, which may be about to name a blob, to release a candidate, or to finish half a version, however old their
    bytes are: all are left alone. Where a record cannot be read, nothing at all is done: versions and what follows them
    are first gone through without deleting, then blobs, which are deleted behind the last record that is read for them."""
    if apply:
        _collect_but_blobs(retention, under_way, now, False, store)
    found: tuple[Removal, ...] = ()
    if retention.blobs is not None:
        found = collect_blobs(retention.blobs, under_way=under_way, now=now, apply=apply, store=store)
    return found + _collect_but_blobs(retention, under_way, now, apply, store)


def _collect_but_blobs(
    retention: Retention, under_way: bool, now: datetime, apply: bool, store: ObjectStore
) -> tuple[Removal, ...]:
    found = [*_versions(retention, now, apply, store), *_halves(retention, under_way, now, apply, store)]
    if not under_way:
        found += collect_candidates(retention.age, now=now, apply=apply, store=store)
        found += collect_instruments(retention.age, now=now, apply=apply, store=store)
    found += collect_uploads(retention.uploads, now=now, apply=apply, store=store)
    forget(now=now, apply=apply, store=store)
    return tuple(found)


def _versions(retention: Retention, now: datetime, apply: bool, store: ObjectStore) -> Iterator[Removal]:
    versions = list_versions(store=store)
    newest = set(versions[-retention.versions :]) if retention.versions else set()
    been = {entry.version for alias in list_aliases(store=store) for entry in read_log(alias, store=store)}
    named = _awaited(list_questions(store=store), been, now) | _named(retention.entries, store)
    buried = entombed(store=store)
    for version in versions:
        try:
            manifest = read_version(version, store=store)
        except SpecError:  # another gc deleted it in the meantime
            continue
        except CorruptObject as problem:
            raise CorruptObject(f"{problem} Nothing was deleted. Where it cannot be restored, and no alias names version {version} (`upkeep "
                                f"versions SPEC`), delete {store.uri(store.keys.manifest(version))}: the version's files are then half "
                                "a version, which a later gc deletes.") from problem  # fmt: skip
        size = sum(file.bytes for file in manifest.files)
        because = named.get(version) or _worth_keeping(manifest, newest, retention, now)
        removed = not because
        if removed and apply:
            because = _remove(version, been, retention, now, store) or ""
            removed = not because
        elif because and version in buried:
            because += _kept_after_all(version, now, apply, store)
        yield Removal(what=f"version {version}", bytes=size, removed=removed, because=because or "nobody names it")


def _worth_keeping(manifest: Manifest, newest: set[int], retention: Retention, now: datetime) -> str | None:
    if manifest.version in newest:
        return f"among the newest {retention.versions}"
    if now - manifest.created_at < retention.age:
        return f"younger than {retention.age.days} days"
    return None


def _kept_after_all(version: int, now: datetime, apply: bool, store: ObjectStore) -> str:
    """Of a version on which a gc that was killed left a tombstone: what becomes of that, as an end of a sentence."""
    if not exhume(version, now=now, apply=apply, store=store):
        return "; a gc began to delete it less than a day ago: run again after that, and it can be released again"
    return f"; a gc {'had begun to delete it, which was taken back' if apply else 'began to delete it, which --apply takes back'}"


def _named(entries: int, store: ObjectStore) -> dict[int, str]:
    """Version -> which alias names it."""
    named: dict[int, str] = {}
    for alias in list_aliases(store=store):
        for number, entry in enumerate(read_log(alias, store=store, limit=max(1, entries))):
            named.setdefault(entry.version, f"{alias} now" if number == 0 else f"in {alias}'s last {entries} entries")
    return named


def _awaited(questions: Mapping[int, Question], been: set[int], now: datetime) -> dict[int, str]:
    """Version -> what it waits for: an answer, or to become champion after a yes. `been`: those that were champion."""
    asked = {version: question.standing(now) for version, question in questions.items()}
    waiting = {version: "it waits for an answer" for version, standing in asked.items() if standing is Standing.WAITS}
    agreed = {version for version, standing in asked.items() if standing is Standing.APPROVED} - been
    return waiting | dict.fromkeys(agreed, "it was approved, and is not champion yet")


def _remove(version: int, been: set[int], retention: Retention, now: datetime, store: ObjectStore) -> str | None:
    """Deletes a version; or says why not, which may have come up since gc looked at all of them: only that is looked up, since
    the logs of years would be read once a version. Whoever may be moving an alias to it either sees the tombstone, or is seen."""
    look, tombstone = Look(), entomb(version, now=now, store=store)
    if tombstone is None:
        return "an alias is being moved to it"
    question = find_question(version, store=store)
    kept = _awaited({version: question} if question else {}, been, now) | _named(retention.entries, store)
    if because := kept.get(version):
        store.delete(tombstone)
        return because
    look.require_recent()
    store.delete(store.keys.manifest(version))
    delete_all(store.keys.version(version), store)
    return None


def _halves(retention: Retention, under_way: bool, now: datetime, apply: bool, store: ObjectStore) -> Iterator[Removal]:
    """Files of versions without a manifest: a deletion that died, which is finished at once; or a publication."""
    whole, buried = set(list_versions(store=store)), entombed(store=store)
    for prefix, (size, modified) in folders_below(store.keys.versions, store).items():
        version = version_of(prefix)
        may_become_one = version not in buried and (under_way or now - modified < retention.age)
        if version is None or version in whole or may_become_one:
            continue
        if apply:
            delete_all(prefix, store)
        because = "its deletion was not finished" if version in buried else "it has no manifest"
        yield Removal(what=f"half of version {version}", bytes=size, removed=True, because=because)
