"""Scoring: what a model makes of rows, worked out here or, where the rows are many, on the GPU pool."""

from pathlib import Path

from prefect import flow

from flows.naming import job_name
from infra.workspace import Workspace, open_job_workspace, protect
from models.contracts import Scores, ScoringJob, Table, Weights
from models.spec import ModelSpec
from tasks.jobs import done_on_pool, read_job, store_result
from tasks.scoring import score_rows
from tasks.written_specs import spec_of, written


def score_somewhere(spec: ModelSpec, rows: Table, weights: Weights, *, of: str, work: Workspace) -> Scores:
    if not work.gpu_pool or rows.rows < work.gpu_from_rows:
        return score_rows(rows, weights, kind=spec.kind, of=of, store=work.store)
    job = ScoringJob(spec=written(spec), rows=rows, weights=weights)
    return done_on_pool(job, Scores, deployment=f"score/{spec.name}", home=work.home, store=work.store)


@flow(
    name="score", flow_run_name=job_name, description="Scores the rows of a large window, on a worker of the GPU pool."
)
def score(job: str, home: Path) -> Scores:
    """What `monitor` and `maintain` send away; it is not meant to be started by hand.

    Args:
        job: The s3:// address of the job: rows and weights.
        home: The folder for caches, where `UPKEEP_HOME` does not name another.
    """
    with open_job_workspace(job, home) as work:
        wanted = read_job(job, ScoringJob, store=work.store)
        spec = spec_of(wanted)
        protect(work, spec)
        scores = score_rows(wanted.rows, wanted.weights, kind=spec.kind, store=work.store)
        return store_result(wanted, scores, store=work.store)
