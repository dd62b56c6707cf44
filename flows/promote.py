"""Releasing: a blessed candidate becomes an immutable version, and the alias moves to it."""

from infra.object_store import ObjectStore
from models.contracts import Attempt, Observation, Release, RunStart, Verdict
from models.spec import ModelSpec
from tasks.conclusion import measured_for_release
from tasks.dataset import freeze_reference
from tasks.registry import move_alias, publish
from tasks.runs import trace_lineage


def release_challenger(
    spec: ModelSpec,
    start: RunStart,
    champion: Release,
    seen: Observation,
    attempt: Attempt,
    *,
    store: ObjectStore,
) -> Release | None:
    """Publishes what was blessed; moves the alias unless the spec or a warning keeps that for a person."""
    if attempt.blessing.verdict is not Verdict.BLESSED:
        return None
    origin = seen.window.table.sha256
    reference = freeze_reference(seen.validation.kept, champion.manifest.reference, origin=origin, store=store)
    manifest = publish(
        attempt.candidate, model=spec.name, kind=spec.kind, reference=reference,
        measured=measured_for_release(attempt.scorecard), created_at=start.started_at,
        lineage=trace_lineage(spec, start, seen.window, attempt.training_set, attempt.candidate), store=store,
    )  # fmt: skip
    if not (spec.release.promote and attempt.blessing.promotes_by_itself):
        return None
    why = "all gates passed: " + ", ".join(gate.gate for gate in attempt.blessing.gates)
    return move_alias(
        manifest,
        alias=spec.release.alias,
        expected=champion.version,
        run_id=start.run_id,
        why=why,
        store=store,
    )
