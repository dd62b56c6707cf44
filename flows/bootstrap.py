"""The first champion and the first reference window."""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from errors import DataError, SpecError
from infra.object_store import ObjectStore
from infra.rights import require_right_to_publish
from infra.workspace import Workspace, open_workspace
from models.contracts import BootstrapReport, Candidate, Ended, RunStart, TrainingSet, Window
from models.spec import ModelSpec, read_spec
from models.variants import require_packages
from tasks.conclusion import bootstrap_headline, require_useful, stage_times
from tasks.dataset import build_training_set, freeze_reference
from tasks.entries import bootstrap_entry
from tasks.evaluation import measure_release
from tasks.events import emit_move, emit_publication
from tasks.finetuning import adopt, fine_tune
from tasks.formats import amount, count
from tasks.history import read_history
from tasks.importing import import_source, pin_hosted
from tasks.ingestion import ingest_window
from tasks.instruments import import_instruments
from tasks.limits import training_budget
from tasks.lineage import trace_lineage
from tasks.optimization.onnx import make_variants, require_exportable
from tasks.registry.aliases import read_log
from tasks.registry.checks import verify_version
from tasks.registry.generations import move_alias
from tasks.registry.publishing import publish
from tasks.reporting import write_report
from tasks.runs import close_run, open_run, pinned
from tasks.security.signing import require_signing_key
from tasks.validation import validate_rows
from tasks.variant_gate import require_agreement
from tasks.written_specs import spec_begun_by


@flow(name="bootstrap", description="Trains (or adopts) the first champion and freezes the reference window.")
def bootstrap(spec_path: Path, force: bool = False) -> Ended:
    """Once a model. `force` releases a first model that is not shown to beat the most frequent label."""
    spec = read_spec(spec_path)
    base = str(spec_path.resolve().parent)
    with open_workspace(spec_path, spec) as work:
        _refuse_second(spec, work.store)
        require_signing_key(store=work.store)
        require_packages(spec.variants)
        require_right_to_publish(work.store)
        mover = next((entry.run_id for entry in read_log(spec.release.alias, store=work.store, limit=1)), "")
        start = open_run(spec, "bootstrap", None, force=force, mover=mover, store=work.store)
        spec = spec_begun_by(start, spec)
        with pinned(start, mover=mover, store=work.store):
            window = ingest_window(
                spec.data, spec.columns, spec.window, start.cursor, run_id=start.run_id, base=base, store=work.store
            )
            return _finish(_run(spec, start, window, base=base, store=work.store), work)


def _run(spec: ModelSpec, start: RunStart, window: Window, *, base: str, store: ObjectStore) -> BootstrapReport:
    validation = validate_rows(window, columns=spec.columns, kind=spec.kind, policy=spec.validation,
                               now=window.read_at, store=store)  # fmt: skip
    _require_labels(spec, window, validation.labelled)
    training_set = build_training_set(validation.kept, None, training=spec.training, seed=spec.seed, store=store)
    instruments = import_instruments(spec.evaluation, base=base, store=store)
    trained = _first_candidate(spec, start, training_set, base=base, store=store)
    candidate = make_variants(trained, wanted=spec.variants, kind=spec.kind, store=store)
    evidence = measure_release(training_set, candidate.weights, variants=candidate.variants, kind=spec.kind,
                               entailment=instruments.entailment, store=store)  # fmt: skip
    measured = require_useful(evidence, force=start.force)
    require_agreement(evidence.variants, gates=spec.gates, variants=spec.variants, force=start.force)
    reference = freeze_reference(validation.kept, None, origin=window.table.sha256, store=store)
    manifest = publish(
        candidate, model=spec.name, kind=spec.kind, reference=reference, measured=measured, evidence=evidence,
        lineage=trace_lineage(spec, start, window, training_set, candidate), created_at=start.started_at, store=store,
    )  # fmt: skip
    verify_version(manifest, kind=spec.kind, store=store)
    release = move_alias(
        manifest, alias=spec.release.alias, expected=None, run_id=start.run_id, why="first champion", store=store
    )
    return BootstrapReport(
        start=start, headline=bootstrap_headline(release, measured), window=window, validation=validation,
        training_set=training_set, candidate=candidate, measured=measured, confusion=evidence.confusion,
        decisions=evidence.decisions, variants=evidence.variants, release=release,
        stages=stage_times(store.timings), finished_at=datetime.now(UTC),
    )  # fmt: skip


def _first_candidate(
    spec: ModelSpec, start: RunStart, training_set: TrainingSet, *, base: str, store: ObjectStore
) -> Candidate:
    hosted = spec.model.hosted
    source = pin_hosted(spec.kind, store=store) if hosted else import_source(spec.model, base=base, store=store)
    require_exportable(source, wanted=spec.variants, kind=spec.kind, store=store)
    if spec.model.adopt or (hosted and not hosted.fine_tunes):
        return adopt(source, kind=spec.kind, store=store)
    budget = training_budget((), policy=spec.policy, now=start.started_at)
    return fine_tune(
        training_set, source, parent_version=None, training=spec.training, kind=spec.kind, budget=budget, store=store
    )


def _finish(report: BootstrapReport, work: Workspace) -> Ended:
    pages = write_report(report, home=work.home, store=work.store)
    emit_publication(report.release.manifest, report.start.run_id)
    emit_move(report.release, "promote")
    close_run(bootstrap_entry(report, pages), store=work.store)
    return Ended(report=report, pages=pages)


def _refuse_second(spec: ModelSpec, store: ObjectStore) -> None:
    done = read_history(store=store, limit=1)
    if done:
        raise SpecError(
            f"{spec.name!r} has a champion already (version {done[0].champion_version}); `upkeep run SPEC` maintains "
            "it. To begin anew, give the spec another name: what was released is never overwritten."
        )


def _require_labels(spec: ModelSpec, window: Window, labelled: int) -> None:
    if window.waiting:
        raise DataError(f"a first champion is made of the first window, which is not full yet (window.by: {spec.window.by}, "
                        f"{spec.window.rows or spec.window.period}). Wait for more rows, or write by: all until there is a champion")  # fmt: skip
    if labelled < spec.training.min_rows:
        raise DataError(
            f"a first champion needs labelled rows: {count(labelled)} of {amount(window.rows, 'row')} have a usable label in column "
            f"{spec.columns.label!r}, at least training.min_rows = {spec.training.min_rows} are needed"
        )
