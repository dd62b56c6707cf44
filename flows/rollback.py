"""The champion goes back to an earlier version, which is verified and loaded before the alias moves."""

from pathlib import Path

from prefect import flow

from errors import SpecError
from flows.approve import refuse_unapproved
from flows.moving import finish_move, move_champion
from flows.naming import run_name
from infra.object_store import ObjectStore
from infra.workspace import open_workspace
from models.contracts import AliasEntry, Release
from models.spec import read_spec
from tasks.registry.aliases import newest_entry, require_alias, walk_log
from tasks.registry.versions import read_version
from tasks.runs import find_done


@flow(
    name="rollback",
    flow_run_name=run_name,
    description="Moves the champion to an earlier version, once that was verified and loaded.",
)
def rollback(spec_path: Path, to: int | None = None, why: str = "asked for by a person") -> Release:
    """The champion itself need not be readable. A rollback that was killed after it moved the alias is finished instead
    of going back once more; one that is started again after its end changes nothing.

    Args:
        spec_path: The model's spec, a YAML file on the worker.
        to: The version to go back to. Empty: the one that was champion before.
        why: The reason, kept in the registry for good.
    """
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        current = newest_entry(spec.release.alias, store=work.store)
        if find_done(store=work.store):
            return require_alias(spec.release.alias, store=work.store)
        same = to in {None, current.version}
        if finish_move(current, asked="rollback" if same else None, store=work.store):
            return require_alias(spec.release.alias, store=work.store)
        if to is not None and not _was_champion(to, current, work.store):
            read_version(to, store=work.store)  # of one that is not there nobody was asked, and no hint leads to it
            refuse_unapproved(spec, to, store=work.store)
        target = _version_before(current, work.store) if to is None else to
        return move_champion(spec, current, target, kind="rollback", why=why, store=work.store)


def _was_champion(version: int, current: AliasEntry, store: ObjectStore) -> bool:
    return any(entry.version == version for entry in walk_log(current.alias, store=store))


def _version_before(current: AliasEntry, store: ObjectStore) -> int:
    for entry in walk_log(current.alias, store=store):
        if entry.version != current.version:
            return entry.version
    raise SpecError(f"version {current.version} is the only one that was ever champion; nothing to roll back to")
