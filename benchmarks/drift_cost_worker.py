"""One measurement of drift's cost, in a process of its own: `python -m benchmarks.drift_cost_worker WHAT FOLDER`.

It is done once on a few hundred rows before the clock starts, so that imports are not timed; the store's files lie in the
local cache, as they do after the scoring step. Prints CPU and wall seconds and the peak of resident memory as JSON.
"""

import inspect
import json
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from unittest import mock

from benchmarks.corpus import LABELS, SEED
from benchmarks.ingesting import memory
from infra.object_store import ObjectStore
from infra.workspace import open_workspace
from models.contracts import EvidentlyVerdict, Reference, Scored
from models.recipe import Training
from models.sections import Drift
from models.spec import parse_spec
from tasks import drift
from tasks.drift_baseline import prepare_baseline, reader
from tasks.evidently_report import EvidentlyReport

SPEC = parse_spec({"name": "bench", "model": {"source": "none"}, "labels": list(LABELS), "seed": SEED, "data": {"sources": ["none"]},
                   "columns": {"text": "text"}}, where="the benchmark's spec")  # fmt: skip


def verdict(inputs: dict[str, object], store: ObjectStore) -> None:
    """The whole step but for Evidently's page."""

    def no_page(reference: object, current: object, signals: object, folder: Path) -> EvidentlyReport:
        files = {field.name: folder / field.name for field in fields(EvidentlyReport) if field.type is Path}
        for path in files.values():
            path.write_text("left out")
        nothing = EvidentlyVerdict(drifted=False, share=0, method="", because="")
        return EvidentlyReport(**files, share=0.0, default=nothing)

    with mock.patch.object(drift, "write_evidently", no_page):
        _detect(inputs, store)


def whole(inputs: dict[str, object], store: ObjectStore) -> None:
    _detect(inputs, store)


def evidently_text(inputs: dict[str, object], store: ObjectStore) -> None:
    """Evidently's drift of the text column, of the same rows, as its documentation does it."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(text_columns=["text"])
    sides = [
        Dataset.from_pandas(
            pd.read_parquet(store.get_file(Scored.model_validate(inputs[side]).rows), columns=["text"]),
            data_definition=definition,
        )
        for side in ("baseline", "current")
    ]
    Report([ValueDrift(column="text")]).run(current_data=sides[1], reference_data=sides[0]).dict()


def baseline(inputs: dict[str, object], store: ObjectStore) -> None:
    """What the first look of a champion does for all that follow."""
    inspect.unwrap(prepare_baseline)(
        Scored.model_validate(inputs["baseline"]), Reference.model_validate(inputs["reference"]),
        kind=SPEC.kind, training=Training(), read_by=reader(), store=store,
    )  # fmt: skip


WHAT: dict[str, Callable[[dict[str, object], ObjectStore], None]] = {
    "verdict": verdict, "whole": whole, "evidently-text": evidently_text, "baseline": baseline,
}  # fmt: skip


def _detect(inputs: dict[str, object], store: ObjectStore) -> None:
    """Past the memory of stages, which would answer a second measurement without any work."""
    found = inspect.unwrap(drift.detect_drift.fn)(
        Scored.model_validate(inputs["current"]), Scored.model_validate(inputs["baseline"]),
        Reference.model_validate(inputs["reference"]), kind=SPEC.kind, alpha=0.01, policy=Drift(), training=Training(), store=store,
    )  # fmt: skip
    if not found.drifted:
        raise AssertionError("30 % of another domain were not found; this measures the wrong path")


def measure(what: str, folder: Path) -> None:
    small, inputs = (json.loads((folder / f"{name}.json").read_text()) for name in ("small", "inputs"))
    with open_workspace(folder / "spec.yaml", SPEC) as workspace:
        WHAT[what](small, workspace.store)
        imported, began, cpu_began = memory("VmHWM"), time.perf_counter(), time.process_time()
        WHAT[what](inputs, workspace.store)
        spent = {"cpu": time.process_time() - cpu_began, "wall": time.perf_counter() - began}
    sys.stdout.write(json.dumps({**spent, "peak_mb": memory("VmHWM"), "imported_mb": imported}) + "\n")


if __name__ == "__main__":
    measure(sys.argv[1], Path(sys.argv[2]))
