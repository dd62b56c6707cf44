"""Releasing: a blessed candidate becomes an immutable version, and the alias moves to it, at once or later."""

from pathlib import Path
from typing import Literal

from prefect import flow

from errors import SpecError
from flows.approve import reject, require_approval
from flows.moving import finish_move, move_champion
from flows.naming import run_name
from infra.object_store import ObjectStore
from infra.workspace import open_workspace
from models.contracts import (
    AliasEntry,
    ApprovalAnswer,
    Attempt,
    HistoryEntry,
    Manifest,
    Observation,
    Release,
    RunStart,
    Verdict,
)
from models.spec import ModelSpec, read_spec
from tasks.conclusion import measured_for_release
from tasks.dataset import freeze_reference
from tasks.events import emit_publication
from tasks.lineage import trace_lineage
from tasks.opened import owe
from tasks.registry.aliases import newest_entry, require_alias
from tasks.registry.asking import given_before
from tasks.registry.challengers import newest_challenger, refuse_stale
from tasks.registry.checks import verify_version
from tasks.registry.generations import move_alias
from tasks.registry.publishing import publish
from tasks.runs import find_done, require_open


def publish_challenger(
    spec: ModelSpec, start: RunStart, champion: Release, seen: Observation, attempt: Attempt, *, store: ObjectStore
) -> Manifest | None:
    """The version that a blessed candidate becomes; None of any other."""
    if attempt.blessing.verdict is not Verdict.BLESSED:
        return None
    require_open(start, store=store)
    origin = seen.window.table.sha256
    reference = freeze_reference(seen.validation.kept, champion.manifest.reference, origin=origin, store=store)
    manifest = publish(
        attempt.candidate, model=spec.name, kind=spec.kind, reference=reference, evidence=attempt.evidence,
        measured=measured_for_release(attempt.scorecard), created_at=start.started_at,
        lineage=trace_lineage(spec, start, seen.window, attempt.training_set, attempt.candidate), store=store,
    )  # fmt: skip
    emit_publication(manifest, start.run_id)
    return manifest


def release_challenger(
    spec: ModelSpec, start: RunStart, champion: Release, attempt: Attempt, challenger: Manifest | None, *,
    owed: HistoryEntry, store: ObjectStore,
) -> Release | None:  # fmt: skip
    """Moves the alias, unless the spec or a warning keeps that for a person. `owed`: what the history is to know of the run
    where it dies behind that."""
    by_itself = spec.release.promote and not spec.release.approval and attempt.blessing.promotes_by_itself
    if challenger is None or not by_itself:
        return None
    why = "all gates passed: " + ", ".join(gate.gate for gate in attempt.blessing.gates)
    verify_version(challenger, kind=spec.kind, store=store)
    require_open(start, releasing=challenger.version, store=store)
    owe(owed, store)
    return move_alias(
        challenger, alias=spec.release.alias, expected=champion.entry, run_id=start.run_id, why=why, store=store
    )


@flow(
    name="promote",
    flow_run_name=run_name,
    description="Answers for a version that was published and waits: it becomes champion, once it was verified and "
    "loaded, or it never will.",
)
def promote(
    spec_path: Path, version: int | None = None, answer: Literal["approve", "reject"] = "approve", why: str = "",
    ratings: Path | None = None, force: bool = False,
) -> Release | ApprovalAnswer:  # fmt: skip
    """Approves or rejects. The answer is recorded first; whatever was killed after that is finished by asking again,
    and asking again for what is done changes nothing; nor does a run that is started again after its end.

    Args:
        spec_path: The model's spec, a YAML file on the worker.
        version: The version to answer for. Empty: the newest that waits.
        answer: approve moves the champion to the version; reject keeps it from ever becoming champion.
        why: The reason, kept in the registry for good. A rejection needs one.
        ratings: A filled copy of the sheet of samples (CSV) on the worker, to be kept beside the question. A rejection
            takes none.
        force: Also a version that was judged against another champion, was rejected, or whose question has expired or
            lacks ratings.
    """
    if answer == "reject" and ratings:
        raise SpecError(f"a rejection takes no ratings, only its reason: leave {ratings} out, or approve with it")
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        current = newest_entry(spec.release.alias, store=work.store)
        if find_done(store=work.store):
            return require_alias(spec.release.alias, store=work.store)
        version = given_before(store=work.store) if version is None else version
        same = answer == "approve" and version in {None, current.version}
        done = finish_move(current, asked="promote" if same else None, store=work.store)
        if answer == "reject":
            target = newest_challenger(current.alias, store=work.store) if version is None else version
            return reject(target, why=why, force=force, store=work.store)
        if done:
            return require_alias(spec.release.alias, store=work.store)
        return _approve(spec, current, version, why=why, ratings=ratings, force=force, store=work.store)


def _approve(
    spec: ModelSpec, current: AliasEntry, version: int | None, *, why: str, ratings: Path | None, force: bool,
    store: ObjectStore,
) -> Release:  # fmt: skip
    target = newest_challenger(current.alias, store=store) if version is None else version
    if target != current.version:
        if not force:
            refuse_stale(target, current, store=store)
        why = require_approval(spec, target, why=why, force=force, ratings=ratings, store=store)
    return move_champion(spec, current, target, kind="promote", why=why, store=store)
