"""The champion goes back to an earlier version, which is verified and loaded before the alias moves."""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from errors import SpecError
from infra.object_store import ObjectStore
from infra.workspace import open_workspace
from models.contracts import Release
from models.spec import read_spec
from tasks.conclusion import rollback_entry
from tasks.events import emit_promotion
from tasks.registry import move_alias, read_log, read_version, require_alias, verify_version
from tasks.runs import close_run, open_run, read_history, unfinished_rollback


@flow(
    name="rollback",
    description="Moves the champion to an earlier version, once that was verified and loaded.",
)
def rollback(spec_path: Path, to: int | None = None, why: str = "asked for by a person") -> Release:
    """`to`: a version; without it, the one that was champion before.

    A rollback that was killed after it moved the alias is finished instead of going back once more.
    """
    spec = read_spec(spec_path)
    with open_workspace(spec_path, model=spec.name) as work:
        current = require_alias(spec.release.alias, store=work.store)
        if finish_rollback(current, store=work.store) and to in {None, current.version}:
            return current
        target = to or _version_before(current, spec.release.alias, work.store)
        if target == current.version:
            raise SpecError(f"version {target} is the champion already")
        manifest = read_version(target, store=work.store)
        verify_version(manifest, kind=spec.kind, store=work.store)
        start = open_run(spec, "rollback", current, force=False, store=work.store)
        release = move_alias(
            manifest,
            alias=spec.release.alias,
            expected=current.version,
            run_id=start.run_id,
            why=why,
            store=work.store,
        )
        emit_promotion(release)
        finish_rollback(release, store=work.store)
        return release


def finish_rollback(champion: Release, *, store: ObjectStore) -> bool:
    """Writes the history entry of a rollback that made this champion and has none yet; says whether there was one."""
    start = unfinished_rollback(champion, store=store)
    if start is None:
        return False
    last = read_history(store=store, limit=1)[0]
    entry = rollback_entry(champion, last, run_id=start.run_id, why=champion.entry.why, at=datetime.now(UTC))
    close_run(entry, store=store)
    return True


def _version_before(current: Release, alias: str, store: ObjectStore) -> int:
    earlier = [e.version for e in read_log(alias, store=store) if e.version != current.version]
    if not earlier:
        raise SpecError(f"version {current.version} is the only one that was ever champion; nothing to roll back to")
    return earlier[0]
