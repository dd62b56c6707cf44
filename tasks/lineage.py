"""Where a version comes from."""

import hashlib
import json
import os
import subprocess
from importlib.metadata import version
from pathlib import Path

from models.contracts import Candidate, Lineage, RunStart, TrainingSet, Window
from models.spec import ModelSpec

PACKAGES = ("llm-upkeep", "torch", "transformers", "evidently", "prefect", "datasets", "pandas", "numpy")


def trace_lineage(
    spec: ModelSpec, start: RunStart, window: Window, training_set: TrainingSet, candidate: Candidate
) -> Lineage:
    """Where a version comes from, enough to make it again."""
    from_parent = candidate.parent and candidate.cost.trained  # a model that the spec names was made from no version
    source = f"version {candidate.parent}" if from_parent else spec.model.described
    return Lineage(
        run_id=start.run_id, spec=json.dumps(spec.model_dump(mode="json")), spec_digest=spec.digest, source=source,
        window_digest=window.table.sha256, training_digest=_digest(training_set), recipe=candidate.recipe,
        packages={name: version(name) for name in PACKAGES}, git_commit=_git_commit(), seed=spec.seed,
    )  # fmt: skip


def _digest(training_set: TrainingSet) -> str:
    parts = (training_set.train.sha256, training_set.validation.sha256, training_set.test.sha256)
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def _git_commit() -> str:
    """The commit of Upkeep's own checkout; 'unknown' where it is installed without one."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"})
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
