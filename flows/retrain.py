"""Retraining: a candidate from the champion's weights, judged on rows that neither has trained on.

It runs where the run is, or, where `UPKEEP_GPU_POOL` names a work pool, on one of that pool's workers: the job goes
there as a URI and the attempt comes back as one, so that either side may be killed and started again.
"""

from pathlib import Path

from prefect import flow

from errors import OverBudget
from flows.ask_judge import ask_judge
from flows.naming import job_name
from infra.object_store import ObjectStore
from infra.rights import require_right_to_publish
from infra.workspace import Workspace, open_job_workspace, protect
from models.contracts import Attempt, Budget, Instruments, Release, TrainingJob, TrainingSet, Trial
from models.spec import ModelSpec
from models.variants import require_packages
from tasks.evaluation import evaluate
from tasks.finetuning import fine_tune
from tasks.gates import judge
from tasks.instruments import import_instruments
from tasks.jobs import done_on_pool, read_job, store_result
from tasks.optimization.onnx import make_variants, require_exportable
from tasks.registry.versions import weights_of
from tasks.security.signing import require_signing_key
from tasks.written_specs import spec_of, written


def try_to_improve(
    spec: ModelSpec, champion: Release, training_set: TrainingSet, *, budget: Budget, base: str, work: Workspace
) -> Trial:
    """Trained and judged here, or on the GPU pool. Paths in the spec are relative to `base`."""
    require_signing_key(store=work.store)
    require_right_to_publish(work.store)
    instruments = import_instruments(spec.evaluation, base=base, store=work.store)
    if not work.gpu_pool:
        return improve(spec, champion, training_set, instruments, budget=budget, store=work.store)
    job = TrainingJob(
        spec=written(spec), champion=champion, training_set=training_set, budget=budget, instruments=instruments
    )
    return done_on_pool(job, Trial, deployment=f"retrain/{spec.name}", home=work.home, store=work.store)


def improve(
    spec: ModelSpec, champion: Release, training_set: TrainingSet, instruments: Instruments, *, budget: Budget,
    store: ObjectStore,
) -> Trial:  # fmt: skip
    """A training that reaches its cap is no failure: it waits for a later run."""
    require_packages(spec.variants)
    parent = weights_of(champion.manifest, store=store)
    require_exportable(parent, wanted=spec.variants, kind=spec.kind, store=store)
    try:
        trained = fine_tune(
            training_set, parent, parent_version=champion.version, training=spec.training, kind=spec.kind,
            budget=budget, store=store,
        )  # fmt: skip
    except OverBudget as over:
        return Trial(came_to=over.stopped)
    candidate = make_variants(trained, wanted=spec.variants, kind=spec.kind, store=store)
    scorecard = evaluate(
        training_set, parent, candidate.weights, variants=candidate.variants, kind=spec.kind,
        entailment=instruments.entailment, store=store,
    )  # fmt: skip
    scorecard = ask_judge(spec, scorecard, training_set.test, parent, candidate.weights, instruments, store=store)
    blessing = judge(scorecard, gates=spec.gates, variants=spec.variants)
    attempt = Attempt(training_set=training_set, candidate=candidate, scorecard=scorecard, blessing=blessing)
    return Trial(came_to=attempt)


@flow(name="retrain", flow_run_name=job_name, description="Trains and judges a candidate, on a worker of the GPU pool.")
def retrain(job: str, home: Path) -> Trial:
    """What `maintain` sends away; it is not meant to be started by hand.

    Args:
        job: The s3:// address of the job: spec, champion and training set.
        home: The folder for checkpoints and caches, where `UPKEEP_HOME` does not name another.
    """
    with open_job_workspace(job, home) as work:
        wanted = read_job(job, TrainingJob, store=work.store)
        spec = spec_of(wanted)
        protect(work, spec)
        trial = improve(
            spec, wanted.champion, wanted.training_set, wanted.instruments, budget=wanted.budget, store=work.store
        )
        return store_result(wanted, trial, store=work.store)
