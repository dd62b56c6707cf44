"""Asking people: a decision that cannot be made without labels has a batch written for them."""

from infra.workspace import Workspace
from models.contracts import LabelRequest, Observation, Release, RetrainDecision, RunStart
from models.spec import ModelSpec
from tasks.labelling import request_labels


def ask_for_labels(
    spec: ModelSpec, start: RunStart, champion: Release, decision: RetrainDecision, seen: Observation, *,
    dry_run: bool, work: Workspace,
) -> LabelRequest | None:  # fmt: skip
    """None where nothing is asked for, nothing is left to label, or nothing may be written."""
    if dry_run or not decision.asks_for_labels or not seen.unlabelled:
        return None
    return request_labels(
        seen, champion, kind=spec.kind, training=spec.training, policy=spec.policy, level=spec.policy.p_value,
        run_id=start.run_id, home=work.home, store=work.store,
    )  # fmt: skip
