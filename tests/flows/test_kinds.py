"""Every kind of model that writes goes through every stage, by its spec alone."""

from typing import Any

import pandas as pd
import pytest

from errors import DataError, ModelError
from flows.bootstrap import bootstrap
from flows.inspect import read_status
from flows.label import describe_labels, label
from flows.maintain import maintain
from flows.rollback import rollback
from flows.story import tell
from models.contracts import BootstrapReport, Outcome, RunReport
from models.spec import read_spec
from tests.flows.champions import run
from tests.flows.conftest import Home
from tests.tiny import stories, tiny_writer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TRAINING = {"epochs": 12, "learning_rate": 0.01, "threads": 1}
FAST = {"kind": "latency", "factor": 50}
TASKS: dict[str, dict[str, Any]] = {
    "texts": {
        "task": "causal-lm", "columns": {"text": "text"}, "generation": {"max_new_tokens": 8},
        "gates": [{"kind": "better"}, {"kind": "not_worse", "tolerance": 0.5}, {"kind": "at_most", "metric": "repetition", "value": 0.9}, FAST],
    },
    "answers": {
        "task": "causal-lm", "generation": {"max_new_tokens": 6},
        "gates": [{"kind": "better", "metric": "bits_per_byte"}, {"kind": "not_worse", "tolerance": 0.5}, FAST],
    },
    "translation": {
        "task": "translation", "generation": {"max_new_tokens": 6},
        "gates": [{"kind": "better"}, {"kind": "not_worse", "tolerance": 0.3}, {"kind": "at_least", "metric": "chrf", "value": 0.05}, FAST],
    },
    "summarization": {
        "task": "summarization", "generation": {"max_new_tokens": 6},
        "gates": [{"kind": "better", "metric": "rouge_1"}, {"kind": "not_worse", "tolerance": 0.3}, FAST],
    },
}  # fmt: skip


def become(home: Home, name: str, **changes: Any) -> None:
    task = TASKS[name]
    tiny_writer(home.folder / "writer", "gpt2" if task["task"] == "causal-lm" else "t5")
    home.write_spec(**{
        "labels": [], "model": {"source": "writer", "max_tokens": 32}, "training": TRAINING,
        "validation": {"near_duplicates": None, "max_duplicate_share": 1}, **task, **changes,
    })  # fmt: skip


@pytest.mark.parametrize("name", TASKS)
def test_a_model_that_writes_is_watched_retrained_judged_released_and_rolled_back(name: str, home: Home) -> None:
    become(home, name)
    home.receive("day-0", stories(600))
    first = bootstrap(home.spec, force=True)
    assert isinstance(first.report, BootstrapReport)
    kind = read_spec(home.spec).kind
    assert [m.metric for m in first.report.measured] == list(kind.metrics)

    home.receive("day-1", stories(150, start=600))
    quiet = run(home)
    assert quiet.outcome is Outcome.HELD, quiet.headline

    home.receive("day-2", stories(600, start=1200, moved=True))
    ended = maintain(home.spec)
    moved = ended.report
    assert isinstance(moved, RunReport)
    assert moved.outcome is Outcome.RELEASED, moved.headline
    assert moved.observation is not None
    assert moved.observation.drift.drifted
    said = "\n".join(tell(ended))
    assert all(f"current   {metric}" in said for metric in kind.metrics)
    assert read_status(home.spec).champion.version == 2  # type: ignore[union-attr]
    assert rollback(home.spec).version == 1


def test_a_drift_without_references_asks_people_to_write_them_and_takes_them_back(home: Home) -> None:
    become(home, "translation")
    home.receive("day-0", stories(600))
    bootstrap(home.spec, force=True)
    asked = stories(200, start=1200, moved=True)
    home.receive("day-1", asked.assign(label=None))
    request = run(home).label_request
    assert request is not None
    assert 0 < request.power <= 1
    sheet = pd.read_csv(request.local_csv, dtype=str)
    known = dict(zip(asked["text"], asked["label"], strict=True))
    sheet.assign(label=sheet["text"].map(known)).to_csv(request.local_csv, index=False)
    spec = read_spec(home.spec)
    taken = label(home.spec, home.folder / request.local_csv)
    assert f"{len(sheet)} answers" in describe_labels(taken, spec, spec_path=home.spec)[0]
    assert run(home).observation.monitoring.labelled >= 150  # type: ignore[union-attr]


def test_rows_whose_reference_is_missing_are_kept_and_not_learned_from(home: Home) -> None:
    become(home, "translation")
    rows = stories(400)
    rows.loc[::2, "label"] = "  "
    home.receive("day-0", rows)
    report = bootstrap(home.spec, force=True).report
    assert isinstance(report, BootstrapReport)
    assert (report.validation.kept.rows, report.validation.labelled) == (400, 200)


def test_a_first_model_that_is_not_better_than_handing_the_text_back_is_not_released(home: Home) -> None:
    become(home, "translation", training={**TRAINING, "epochs": 0.01})
    home.receive("day-0", stories(400))
    with pytest.raises(ModelError, match="handing the text back"):
        bootstrap(home.spec)


def test_without_any_reference_a_first_model_is_refused(home: Home) -> None:
    become(home, "translation")
    home.receive("day-0", stories(400).assign(label=None))
    with pytest.raises(DataError, match="needs labelled rows"):
        bootstrap(home.spec)
