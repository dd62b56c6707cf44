"""Releasing: a blessed candidate becomes an immutable version, and the alias moves to it, at once or later."""

from pathlib import Path

from prefect import flow

from errors import SpecError
from flows.moving import finish_move, move_champion
from infra.object_store import ObjectStore
from infra.workspace import open_workspace
from models.contracts import AliasEntry, Attempt, Observation, Release, RunStart, Verdict
from models.spec import ModelSpec, read_spec
from tasks.conclusion import measured_for_release
from tasks.dataset import freeze_reference
from tasks.events import emit_publication
from tasks.registry.aliases import move_alias, newest_entry, require_alias
from tasks.registry.checks import verify_version
from tasks.registry.versions import list_versions, publish, read_version
from tasks.runs import trace_lineage


def release_challenger(
    spec: ModelSpec, start: RunStart, champion: Release, seen: Observation, attempt: Attempt, *, store: ObjectStore
) -> Release | None:
    """Publishes what was blessed; moves the alias unless the spec or a warning keeps that for a person."""
    if attempt.blessing.verdict is not Verdict.BLESSED:
        return None
    origin = seen.window.table.sha256
    reference = freeze_reference(seen.validation.kept, champion.manifest.reference, origin=origin, store=store)
    manifest = publish(
        attempt.candidate, model=spec.name, kind=spec.kind, reference=reference, evidence=attempt.evidence,
        measured=measured_for_release(attempt.scorecard), created_at=start.started_at,
        lineage=trace_lineage(spec, start, seen.window, attempt.training_set, attempt.candidate), store=store,
    )  # fmt: skip
    emit_publication(manifest, start.run_id)
    if not (spec.release.promote and attempt.blessing.promotes_by_itself):
        return None
    why = "all gates passed: " + ", ".join(gate.gate for gate in attempt.blessing.gates)
    verify_version(manifest, kind=spec.kind, store=store)
    return move_alias(
        manifest, alias=spec.release.alias, expected=champion.version, run_id=start.run_id, why=why, store=store
    )


@flow(
    name="promote",
    description="Moves the champion to a version that was published and waits, once that was verified and loaded.",
)
def promote(
    spec_path: Path, version: int | None = None, force: bool = False, why: str = "approved by a person"
) -> Release:
    """`version`: without it, the newest that waits. `force`: also one that was judged against another champion.

    A promotion that was killed after it moved the alias is finished; asking for it again changes nothing.
    """
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        current = newest_entry(spec.release.alias, store=work.store)
        if finish_move(current, store=work.store) and version in {None, current.version}:
            return require_alias(spec.release.alias, store=work.store)
        target = version or _waiting(current, work.store)
        if not force:
            _refuse_stale(target, current, work.store)
        return move_champion(spec, current, target, kind="promote", why=why, store=work.store)


def _waiting(current: AliasEntry, store: ObjectStore) -> int:
    newest = max(list_versions(store=store))
    if newest <= current.version:
        raise SpecError(f"no version waits: {newest} is the newest, and version {current.version} is champion. To go "
                        "back to an earlier one, use `upkeep rollback SPEC --to VERSION`.")  # fmt: skip
    return newest


def _refuse_stale(target: int, current: AliasEntry, store: ObjectStore) -> None:
    judged_against = read_version(target, store=store).parent
    if judged_against not in {None, current.version}:
        raise SpecError(
            f"version {target} passed its gates against version {judged_against}, and version {current.version} is "
            "champion now: that it is better than this one was never shown. Run `upkeep run SPEC` for a new "
            "challenger, or promote it all the same with --force."
        )
