"""A classifier whose rows may have several labels goes through every stage, by its spec alone."""

from pathlib import Path

import pandas as pd
import pytest

from flows.bootstrap import bootstrap
from flows.label import describe_labels, label
from flows.maintain import maintain
from flows.story import tell
from models.contracts import BootstrapReport, Outcome, RunReport
from models.spec import read_spec
from tests.flows.champions import run
from tests.flows.conftest import Home
from tests.tiny import topics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def become(home: Home) -> None:
    home.write_spec(labels=["film", "plot", "praise"], labels_per_row="many",
                    training={"epochs": 25, "learning_rate": 0.01, "threads": 1, "patience": 6, "class_weights": "balanced"},
                    gates=[{"kind": "better"}, {"kind": "not_worse", "tolerance": 0.5}, {"kind": "no_collapse", "tolerance": 0.9},
                           {"kind": "at_least", "metric": "auroc", "value": 0.6}, {"kind": "latency", "factor": 50}])  # fmt: skip


def test_it_is_watched_retrained_judged_and_released(home: Home) -> None:
    become(home)
    home.receive("day-0", topics(600))
    first = bootstrap(home.spec)
    assert isinstance(first.report, BootstrapReport)
    assert [m.metric for m in first.report.measured] == ["micro_f1", "macro_f1", "exact_match", "auroc", "ece"]
    assert first.report.measured[0].estimate.value > 0.9
    assert first.report.decisions is not None
    assert [x.rows + x.others for x in first.report.decisions.labels] == [first.report.training_set.test.rows] * 3

    home.receive("day-1", topics(150, start=600))
    assert run(home).outcome is Outcome.HELD

    home.receive("day-2", topics(600, start=1200, moved=True))
    ended = maintain(home.spec)
    moved = ended.report
    assert isinstance(moved, RunReport)
    assert moved.outcome is Outcome.RELEASED, moved.headline
    assert moved.observation is not None
    asked = {s.name for s in moved.observation.drift.signals}
    assert asked >= {f"{what}{label}{end}" for label in ("film", "plot", "praise") for what, end in (("P(", ")"), ("share of ", ""))}  # fmt: skip
    assert {e.metric for e in moved.observation.monitoring.estimates} == {"exact_match"}
    assert moved.attempt is not None
    assert moved.attempt.scorecard.decisions is not None
    praise = moved.attempt.scorecard.decisions.labels[2]
    assert sum(wrong[0] for wrong in (praise.missed, praise.added)) > sum(
        wrong[1] for wrong in (praise.missed, praise.added)
    )
    assert ended.pages is not None
    page = Path(ended.pages.local_html).read_text()
    assert "Which labels are missed or added" in page
    assert "Guesses of the exact match without labels" in page
    shares = {s.label: s.labelled for s in moved.observation.monitoring.shares}
    assert shares["film"] == pytest.approx(0.5, abs=0.1)
    told = "\n".join(tell(ended))
    assert "current   micro_f1" in told
    assert "estimates of exact match CBPE" in told


def test_rows_that_are_asked_for_come_back_with_several_labels(home: Home) -> None:
    become(home)
    home.receive("day-0", topics(600))
    bootstrap(home.spec)
    asked = topics(200, start=1200, moved=True)
    home.receive("day-1", asked.assign(label=None))
    request = run(home).label_request
    assert request is not None
    sheet = pd.read_csv(request.local_csv, dtype=str)
    known = dict(zip(asked["text"], asked["label"], strict=True))
    sheet.assign(label=sheet["text"].map(known)).to_csv(request.local_csv, index=False)
    taken = label(home.spec, home.folder / request.local_csv)
    assert "film" in describe_labels(taken, read_spec(home.spec), spec_path=home.spec)[0]
    assert taken.new == len(sheet)
    assert run(home).observation.monitoring.labelled >= 150  # type: ignore[union-attr]
