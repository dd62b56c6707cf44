"""People's labels come back: what `upkeep label` does. It needs no Prefect server and no torch."""

from pathlib import Path

from infra.workspace import open_workspace
from models.contracts import Cursor, LabelsTaken
from models.sections import Policy
from models.spec import ModelSpec, read_spec
from tasks.formats import amount, count, typed
from tasks.history import read_history
from tasks.returned_labels import take_labels


def label(spec_path: Path, file: Path) -> LabelsTaken:
    """Takes a filled labelling batch back, whole or in part; the next run reads it."""
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        history = read_history(store=work.store, limit=1)
        cursor = history[0].cursor if history else Cursor()
        return take_labels(
            file, labels=spec.labels, several=spec.labels_per_row == "many", cursor=cursor, store=work.store
        )


def describe_labels(taken: LabelsTaken, spec: ModelSpec, *, spec_path: Path) -> list[str]:
    """Lines: what came, what is open, what the next run will do."""
    if not taken.new + taken.corrected + taken.unchanged:
        return ["no row of the file has a label; fill `label`, in one row or more, and give it again"]
    filled = sum(found.rows for found in taken.by_label)
    lines = [
        f"{amount(filled, 'label')}: {', '.join(f'{count(found.rows)} {found.label}' for found in taken.by_label)}",
        f"  {count(taken.new)} new, {count(taken.corrected)} corrected, {count(taken.unchanged)} known already",
        *(
            f"  batch {b.run_id}: {amount(b.rows, 'row')}, {count(b.labelled)} labelled, {count(b.open)} open"
            for b in taken.batches
        ),
    ]
    if taken.edited:
        lines.append(
            f"  the text of {amount(taken.edited, 'row')} was edited in the file; the text that was sent out holds"
        )
    return [*lines, f"next: {_next(taken.waiting, spec.policy, spec_path)}"]


def _next(waiting: int, policy: Policy, spec_path: Path) -> str:
    if not waiting:
        return "nothing new to measure by is waiting; what teaches goes with the next labels that measure"
    if waiting < policy.min_labels:
        return (f"{amount(waiting, 'label')} to measure by; with {count(policy.min_labels - waiting)} more "
                f"(policy.min_labels = {policy.min_labels}) `upkeep run {typed(spec_path)}` tests whether quality fell")  # fmt: skip
    act = {"quality": "and retrains on them if it did", "drift": "", "either": "and retrains on them if it did"}
    return f"`upkeep run {typed(spec_path)}` tests by {amount(waiting, 'label')} whether quality fell {act[policy.act_on]}".rstrip()
