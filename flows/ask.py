"""Asking people: a decision that cannot be made without labels has a batch written for them; their answers come in."""

from collections.abc import Sequence

from infra.object_store import ObjectStore
from infra.workspace import Workspace
from models.contracts import Cursor, HistoryEntry, LabelRequest, Observation, Release, RetrainDecision, RunStart, Window
from models.spec import ModelSpec
from tasks.history import cursor_of
from tasks.label_delivery import join_returned_labels
from tasks.labelling import request_labels
from tasks.registry.versions import why_chosen


def receive_labels(
    spec: ModelSpec, start: RunStart, window: Window, *, history: Sequence[HistoryEntry], store: ObjectStore
) -> Window:
    """The window with the labels that people gave to earlier rows; with `--force`, however few."""
    made_by = start.champion.manifest.lineage.run_id if start.champion else None
    return join_returned_labels(
        window, extra=tuple(spec.columns.extra), adapted=cursor_of(made_by, history) if made_by else Cursor(),
        at_least=0 if start.force else spec.policy.min_labels, run_id=start.run_id, store=store,
    )  # fmt: skip


def ask_for_labels(
    spec: ModelSpec, start: RunStart, champion: Release, decision: RetrainDecision, seen: Observation, *,
    dry_run: bool, work: Workspace,
) -> LabelRequest | None:  # fmt: skip
    """None where nothing is asked for, nothing is left to label, or nothing may be written."""
    if dry_run or not decision.asks_for_labels or not seen.unlabelled:
        return None
    return request_labels(
        seen, champion, evidence=why_chosen(champion.manifest, store=work.store), kind=spec.kind,
        training=spec.training, policy=spec.policy, level=spec.policy.p_value, run_id=start.run_id, home=work.home,
        store=work.store,
    )  # fmt: skip
