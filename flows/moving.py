"""Moving the champion to a version that is there already: what a promotion and a rollback have in common."""

from datetime import UTC, datetime
from typing import Literal

from errors import SpecError
from infra.object_store import ObjectStore
from models.contracts import AliasEntry, Release
from models.spec import ModelSpec
from tasks.entries import move_entry
from tasks.events import emit_move
from tasks.registry.aliases import move_alias
from tasks.registry.checks import verify_version
from tasks.registry.versions import read_version
from tasks.runs import close_run, open_run, read_history, unfinished_move


def move_champion(
    spec: ModelSpec, current: AliasEntry, target: int, *,
    kind: Literal["promote", "rollback"], why: str, store: ObjectStore,
) -> Release:  # fmt: skip
    """Verifies and loads the target, then moves the pointer; the champion is never absent."""
    if target == current.version:
        raise SpecError(f"version {target} is the champion already")
    manifest = verify_version(read_version(target, store=store), kind=spec.kind, store=store)
    start = open_run(spec, kind, None, force=False, store=store)
    release = move_alias(
        manifest, alias=spec.release.alias, expected=current.version, run_id=start.run_id, why=why, store=store
    )
    emit_move(release, kind)
    finish_move(release.entry, store=store)
    return release


def finish_move(current: AliasEntry, *, store: ObjectStore) -> bool:
    """Writes the history entry of a move that made this champion and has none yet; says whether there was one."""
    start = unfinished_move(current, store=store)
    if start is None:
        return False
    last = read_history(store=store, limit=1)[0]
    close_run(move_entry(current, start, last, at=datetime.now(UTC)), store=store)
    return True
