"""Does everything fit? Alias logs from their first entry on, the manifests that they name, the files of every version."""

from collections.abc import Iterator

from errors import CorruptObject, MissingObject, UnsignedRelease
from infra.files import Stored, sha256_of_bytes
from infra.keys import MANIFEST, RECORD, SIGNATURE
from infra.object_store import ObjectStore
from infra.progress import bar
from infra.sealed import unsealed
from models.contracts import AliasEntry, Audit, HistoryEntry, Manifest, Misfit
from tasks.registry.aliases import list_aliases, list_entries
from tasks.registry.approval_checks import check_approvals
from tasks.registry.moving import is_entombed
from tasks.registry.versions import list_versions
from tasks.security.signing import verify_stored


def audit(
    history: tuple[HistoryEntry, ...], *, unfit: tuple[Misfit, ...] = (), alias: str, deep: bool, store: ObjectStore
) -> Audit:  # fmt: skip
    """`deep` reads every byte of every version; without it files are held against their sizes in a listing. `unfit`: what of
    the history does not fit.

    An alias' misfits come in the order of its log: the first is the first entry that does not fit.
    """
    logs = {name: _Log(name, store) for name in list_aliases(store=store)}
    misfits = [misfit for log in logs.values() for misfit in log.misfits()]
    known = {entry.run_id for log in logs.values() for entry in log.entries}
    misfits += [*unfit, *_against_history(known, history, alias=alias, store=store)]
    versions = list_versions(store=store)
    files = 0
    with bar("auditing", total=len(versions), unit="versions") as advance:
        for version in versions:
            looked_at, found = _version(version, deep=deep, store=store)
            files += looked_at
            misfits += found
            advance(1)
    champions = {entry.version for log in logs.values() for entry in log.entries}
    misfits += check_approvals(champions, store=store)
    entries = sum(len(log.keys) for log in logs.values())
    return Audit(entries=entries, runs=len(history), versions=len(versions), files=files, deep=deep, misfits=tuple(misfits),
                 approvals=len(store.list_keys(store.keys.approvals, named=RECORD)))  # fmt: skip


class _Log:
    """One alias' generations, oldest first."""

    def __init__(self, alias: str, store: ObjectStore) -> None:
        self.alias, self.store = alias, store
        self.keys = list(reversed(list_entries(alias, store=store)))
        self.entries: list[AliasEntry] = []
        """Those that could be read, oldest first; filled by `misfits`."""

    def misfits(self) -> Iterator[Misfit]:
        before: AliasEntry | None = None
        before_sha256: str | None = None
        for key in self.keys:
            data, uri = self.store.get_bytes(key), self.store.uri(key)
            try:
                entry = unsealed(AliasEntry, data, uri=uri)
            except CorruptObject:
                yield Misfit(uri=uri, problem="the entry is not what was written: its seal does not fit")
                before, before_sha256 = None, sha256_of_bytes(data)
                continue
            for problem in self._problems(entry, key, before, before_sha256):
                yield Misfit(uri=uri, problem=problem)
            self.entries.append(entry)
            before, before_sha256 = entry, sha256_of_bytes(data)

    def _problems(
        self, entry: AliasEntry, key: str, before: AliasEntry | None, before_sha256: str | None
    ) -> Iterator[str]:
        if entry.alias != self.alias or key != self.store.keys.generation(self.alias, entry.generation):
            yield f"the entry is generation {entry.generation} of alias {entry.alias!r}: it was written elsewhere"
        if before_sha256 is None and entry.generation != 1:
            yield f"the log begins with generation {entry.generation}: the entries before were deleted"
        if before_sha256 is not None and entry.previous_entry_sha256 != before_sha256:
            yield "its hash of the entry before is not that entry's: one was changed, deleted or put in between"
        if before and (entry.generation, entry.previous_version) != (before.generation + 1, before.version):
            yield (f"it follows version {entry.previous_version} as generation {entry.generation}; before it is version "
                   f"{before.version} as generation {before.generation}")  # fmt: skip
        yield from self._named(entry)

    def _named(self, entry: AliasEntry) -> Iterator[str]:
        data = self.store.find_bytes(self.store.keys.manifest(entry.version))
        if data is None:
            if not is_entombed(entry.version, store=self.store):
                yield f"it names version {entry.version}, whose manifest is gone, and `upkeep gc` did not delete it"
        elif sha256_of_bytes(data) != entry.manifest_sha256:
            yield f"it names another manifest of version {entry.version} than the one that is there"


def _against_history(
    known: set[str], history: tuple[HistoryEntry, ...], *, alias: str, store: ObjectStore
) -> Iterator[Misfit]:
    """The end of a log, or all of it, can be deleted without a trace in it; the history then knows a later champion.
    `known`: the runs that any log names, since the spec's alias may have had another name."""
    moving = {"bootstrapped", "promoted", "released", "rolled-back"}
    for run in reversed(history):
        if run.outcome in moving and run.run_id not in known:
            yield Misfit(
                uri=store.uri(store.keys.finished(run.sequence)),
                problem=f"run {run.run_id} made version {run.champion_version} champion, and no entry of the alias' log "
                        f"says so: one of {alias!r} was deleted, or is not what was written",
            )  # fmt: skip


def _version(version: int, *, deep: bool, store: ObjectStore) -> tuple[int, list[Misfit]]:
    """How many files it has, and what does not fit: nothing of one that `upkeep gc` has deleted meanwhile."""
    files, uri = 0, store.uri(store.keys.manifest(version))
    try:
        manifest, found = _manifest(version, store)
        if manifest:
            files = len(manifest.files)
            found += [*_files(manifest, deep=deep, store=store), *_signature(manifest, store)]
    except MissingObject:
        found = [
            Misfit(uri=uri, problem="the version was deleted while it was looked at, and `upkeep gc` did not do it")
        ]
    if found and is_entombed(version, store=store) and not store.exists(store.keys.manifest(version)):
        return 0, []
    return files, found


def _manifest(version: int, store: ObjectStore) -> tuple[Manifest | None, list[Misfit]]:
    key = store.keys.manifest(version)
    try:
        manifest = unsealed(Manifest, store.get_bytes(key), uri=store.uri(key))
    except CorruptObject:
        problem = "the manifest is not what was written: its seal does not fit"
        return None, [Misfit(uri=store.uri(key), problem=problem)]
    if manifest.version != version:
        problem = f"the manifest is of {manifest.model!r} version {manifest.version}: it was copied there"
        return None, [Misfit(uri=store.uri(key), problem=problem)]
    return manifest, []


def _files(manifest: Manifest, *, deep: bool, store: ObjectStore) -> Iterator[Misfit]:
    prefix = store.keys.version(manifest.version)
    # Without the markers of folders.
    listed = [found for found in store.list_objects(store.uri(prefix)) if not found.uri.endswith("/")]
    sizes = {store.key_of(found.uri).removeprefix(prefix): found.bytes for found in listed}
    for file in manifest.files:
        uri = store.uri(prefix + file.path)
        if file.path not in sizes:
            yield Misfit(uri=uri, problem="the file is gone")
        elif sizes[file.path] != file.bytes:
            yield Misfit(uri=uri, problem=f"the file has {sizes[file.path]} bytes, {file.bytes} were written")
        elif deep and not store.is_whole(Stored(uri, file.sha256, file.bytes)):
            yield Misfit(uri=uri, problem="the file is not what was written: its SHA-256 is another")
    for path in sorted(set(sizes) - {file.path for file in manifest.files} - {MANIFEST, SIGNATURE}):
        yield Misfit(uri=store.uri(prefix + path), problem="the version's manifest knows nothing of this file")


def _signature(manifest: Manifest, store: ObjectStore) -> Iterator[Misfit]:
    """Of a version that has one or must have one, as far as there is a key to verify it with."""
    key = store.keys.signature(manifest.version)
    if store.release_keys.required or (store.release_keys.can_verify and store.exists(key)):
        try:
            verify_stored(manifest, store=store)
        except UnsignedRelease as problem:
            yield Misfit(uri=store.uri(key), problem=str(problem))
