"""Looking after the registry: its versions, what differs between two, whether everything fits, what may go."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from errors import SpecError
from infra.workspace import open_workspace
from models.contracts import Audit, BrokenVersion, Difference, Removal, VersionLine
from models.part import parse_period
from models.spec import read_spec
from tasks.history import check_history, read_history
from tasks.opened import open_run_of
from tasks.registry.audit import audit
from tasks.registry.blobs import Kept
from tasks.registry.comparing import compare, describe_versions
from tasks.registry.retention import Retention, collect
from tasks.registry.versions import read_version

LEAST_AGE, LEAST_BLOBS = "1d", "14d"
NEVER = "never"


def versions(spec_path: Path) -> tuple[VersionLine | BrokenVersion, ...]:
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        return describe_versions(now=datetime.now(UTC), store=work.store)


def diff(spec_path: Path, first: int, second: int) -> tuple[Difference, ...]:
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        return compare(*(read_version(version, store=work.store) for version in (first, second)))


def audit_registry(spec_path: Path, *, deep: bool) -> Audit:
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        history, unfit = check_history(store=work.store)
        return audit(history, unfit=unfit, alias=spec.release.alias, deep=deep, store=work.store)


def collect_garbage(
    spec_path: Path, *, keep: int, older_than: str, entries: int, uploads_older_than: str, blobs_older_than: str,
    reports_older_than: str, apply: bool,
) -> tuple[Removal, ...]:  # fmt: skip
    spec = read_spec(spec_path)
    age, uploads = _period("--older-than", older_than), _period("--uploads-older-than", uploads_older_than)
    blobs = _unless_never("--blobs-older-than", blobs_older_than)
    reports = _unless_never("--reports-older-than", reports_older_than)
    if reports and not blobs:
        raise SpecError(f"--reports-older-than {reports_older_than} lets blobs go that only older reports name, and --blobs-older-than "
                        f"{NEVER} keeps every blob: leave one of them out")  # fmt: skip
    with open_workspace(spec_path, spec) as work:
        under_way = open_run_of(store=work.store) is not None
        waiting = frozenset(entry.run_id for entry in read_history(store=work.store) if entry.stopped)
        kept = Kept(blobs, reports=reports, waiting=waiting) if blobs else None
        retention = Retention(versions=keep, age=age, entries=entries, uploads=uploads, blobs=kept)
        return collect(retention, under_way=under_way, now=datetime.now(UTC), apply=apply, store=work.store)


def _unless_never(option: str, text: str) -> timedelta | None:
    return None if text == NEVER else _period(option, text, least=LEAST_BLOBS)


def _period(option: str, text: str, *, least: str = LEAST_AGE) -> timedelta:
    try:
        age = parse_period(text)
    except ValueError as problem:
        raise SpecError(f"{option}: {problem}") from problem
    if age < parse_period(least):
        why = "work in progress, or be used again by the next run" if least == LEAST_BLOBS else "a release in progress"
        raise SpecError(f"{option} {text}: younger files may belong to {why}; at least {least}")
    return age
