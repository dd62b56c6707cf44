"""Looking at what is there: reads the store, changes nothing, needs no Prefect server and no torch."""

import os
from datetime import UTC, datetime
from pathlib import Path

from errors import SpecError
from infra.object_store import ObjectStore
from infra.workspace import open_workspace
from models.contracts import AliasEntry, HistoryEntry, Manifest, Record, Release, RunStart
from models.spec import ModelSpec, read_spec
from tasks.budget import Levels, spent
from tasks.formats import count, measured, moment
from tasks.history import read_history
from tasks.opened import MOVES, open_run_of
from tasks.registry.aliases import read_alias, read_log, require_alias
from tasks.registry.pulling import pull
from tasks.registry.versions import ELSEWHERE, list_versions, read_version

RECENT = 5


class Status(Record):
    model: str
    champion: Release | None
    versions: tuple[int, ...]
    log: tuple[AliasEntry, ...]
    recent: tuple[HistoryEntry, ...]
    unfinished: RunStart | None
    home: str
    spent: Levels
    """The false alarms that the last 365 days' tests were to raise, had nothing changed."""
    false_alarms_a_year: float


def read_status(spec_path: Path) -> Status:
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        store = work.store
        history = read_history(store=store)
        return Status(
            model=spec.name, champion=read_alias(spec.release.alias, store=store),
            versions=tuple(list_versions(store=store)), log=tuple(read_log(spec.release.alias, store=store)),
            recent=history[:RECENT], unfinished=open_run_of(store=store), home=str(work.home),
            spent=spent(history, now=datetime.now(UTC)), false_alarms_a_year=spec.policy.false_alarms_a_year,
        )  # fmt: skip


def read_all_history(spec_path: Path) -> tuple[HistoryEntry, ...]:
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        return read_history(store=work.store)


def pull_version(spec_path: Path, which: str, folder: Path) -> Manifest:
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        manifest = find_version(spec, which, store=work.store)
        pull(manifest, folder, store=work.store)
        return manifest


LONGEST = 100
"""Digits, at most, of a version's number: more are neither read nor repeated."""


def spec_and_version(text: str) -> tuple[Path, str]:
    """SPEC, SPEC@ALIAS or SPEC@VERSION in two. A folder's name may hold an @, as homes do on machines that join a domain."""
    path, at, which = text.rpartition("@")
    whole = not at or "/" in which or os.path.isfile(text)  # which also is asked of what is too long for a name
    return (Path(text), "") if whole else (Path(path), which)


def find_version(spec: ModelSpec, which: str, *, store: ObjectStore) -> Manifest:
    """`which`: an alias, a version's number, or nothing for the spec's alias."""
    if which in {"", spec.release.alias}:
        return require_alias(spec.release.alias, store=store).manifest
    if len(which) > LONGEST:
        raise SpecError(
            f"{which[:20]!r}… ({len(which):,} characters) is neither a version's number nor the spec's alias {spec.release.alias!r}"
        )
    if which.isdecimal():
        return read_version(int(which), store=store)
    raise SpecError(f"{which!r} is neither a version's number nor the spec's alias {spec.release.alias!r}")


def describe(status: Status) -> list[str]:
    lines = [f"{status.model}"]
    if status.champion is None:
        gone = "no champion, although runs have finished: its log was deleted, or the spec's alias is another now (`upkeep audit SPEC`)"
        lines.append(f"  {gone if status.recent else f'no champion yet: run `upkeep bootstrap SPEC`. {ELSEWHERE}'}")
    else:
        entry = status.champion.entry
        lines.append(f"  champion  version {entry.version} since {moment(entry.at)}, by {entry.who}: {entry.why}")
        for m in status.champion.manifest.measured:
            if m.on in {"current", "reference"}:
                e = m.estimate
                lines.append(f"  measured  {m.metric} on {m.on} rows {measured(e, m.metric)}, n = {count(e.n)}")
        lines.append(f"  versions  {', '.join(map(str, status.versions))}")
        lines.append(f"  {_budget(status)}")
    if status.unfinished:
        lines.append(f"  under way or interrupted: {_what_becomes_of(status.unfinished)}")
    return [*lines, *(f"  {line}" for line in history_lines(status.recent))]


def _what_becomes_of(start: RunStart) -> str:
    if start.kind in MOVES:
        return f"{start.kind} {start.run_id}; the next run, promotion or rollback ends it where it moved the alias, or else takes its place"
    by = "bootstrap" if start.kind == "bootstrap" else "run"
    return f"run {start.run_id}; the next `upkeep {by}` takes it up"


def _budget(status: Status) -> str:
    spent = status.spent
    return (f"false alarms: {spent.total:.2g} of {status.false_alarms_a_year:g} expected spent in the last 365 days "
            f"(drift {spent.drift:.2g}, quality {spent.quality:.2g})")  # fmt: skip


def history_lines(history: tuple[HistoryEntry, ...]) -> list[str]:
    return [
        f"{moment(e.finished_at)}  #{e.sequence:<4} {e.outcome:22} {e.rows:>7,} {'row ' if e.rows == 1 else 'rows'}  {e.headline}"
        for e in history
    ]
