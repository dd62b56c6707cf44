"""Moving the champion to a version that is there already: what a promotion and a rollback have in common."""

import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

from errors import KeyTaken, SpecError, StoreError
from infra.object_store import ObjectStore
from infra.rights import require_right_to_move
from models.contracts import AliasEntry, Release
from models.spec import ModelSpec
from tasks.entries import move_entry, release_entry
from tasks.events import emit_move
from tasks.history import last_run
from tasks.registry.checks import verify_version
from tasks.registry.generations import move_alias
from tasks.registry.versions import read_version
from tasks.runs import close_run, open_run, unfinished_move, unfinished_release

Kind = Literal["promote", "rollback"]
logger = logging.getLogger(__name__)


def move_champion(
    spec: ModelSpec, current: AliasEntry, target: int, *,
    kind: Kind, why: str, store: ObjectStore,
) -> Release:  # fmt: skip
    """Verifies and loads the target, then moves the pointer; the champion is never absent."""
    if target == current.version:
        raise SpecError(f"version {target} is the champion already")
    require_right_to_move(store)
    manifest = verify_version(read_version(target, store=store), kind=spec.kind, store=store)
    finish_release(current, store=store)
    start = open_run(spec, kind, None, force=False, mover=current.run_id, store=store)
    last_run(store=store)  # behind which the entry of this move will come
    release = move_alias(
        manifest, alias=spec.release.alias, expected=current, run_id=start.run_id, why=why, store=store
    )
    finish_move(release.entry, asked=kind, store=store)
    return release


def finish_move(current: AliasEntry, *, asked: Kind | None = None, tell: bool = True, store: ObjectStore) -> bool:
    """Tells of a move that made this champion and writes its history entry, where it has none yet. Whoever made the move may have
    died right behind it. `asked`: the caller was asked for such a move to this version, and is told whether it is done by that.
    `tell`: not in a dry run, whose entry stays nowhere."""
    done = False
    while found := unfinished_move(current, store=store):
        start, last = found
        if tell:
            _tell(current, "rollback" if start.kind == "rollback" else "promote", store)
        with suppress(KeyTaken):  # by a run that ended meanwhile: this comes behind that one
            close_run(move_entry(current, start, last, at=datetime.now(UTC)), own=start.kind == asked, store=store)
        done = start.kind == asked
    return done


def finish_release(current: AliasEntry, *, tell: bool = True, store: ObjectStore) -> None:
    """Tells of the release that made this champion and writes its run's history entry, where that has none yet. `tell`: as
    above."""
    while owed := unfinished_release(current, store=store):
        if tell:
            _tell(current, "promote", store)
        with suppress(KeyTaken):
            close_run(release_entry(owed, current), own=False, store=store)


def _tell(current: AliasEntry, kind: Kind, store: ObjectStore) -> None:
    """The event needs the manifest; a champion that cannot be read is no reason not to leave it."""
    try:
        emit_move(Release(manifest=read_version(current.version, store=store), entry=current), kind)
    except (SpecError, StoreError) as problem:
        logger.warning("nobody was told that version %d became champion: %s", current.version, problem)
