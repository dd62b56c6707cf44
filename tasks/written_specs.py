"""The spec inside a record, for whoever takes up what another process began: a job's worker, the run after a killed one."""

import json

from models.contracts import RunStart, ScoringJob, TrainingJob
from models.spec import ModelSpec, parse_spec


def written(spec: ModelSpec) -> str:
    return json.dumps(spec.model_dump(mode="json"), sort_keys=True)


def spec_of(job: TrainingJob | ScoringJob) -> ModelSpec:
    return parse_spec(json.loads(job.spec), where="the job's spec")


def spec_begun_by(start: RunStart, spec: ModelSpec) -> ModelSpec:
    """`spec`, unless the run was taken up from one that began by another."""
    if start.spec_digest == spec.digest:
        return spec
    return parse_spec(json.loads(start.spec), where=f"the spec of run {start.run_id}")
