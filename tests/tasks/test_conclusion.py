"""What keeps a run from training and a first model from its release, and how a run that looked at nothing is told."""

from datetime import UTC, datetime

import pytest

from errors import ModelError
from models.contracts import (
    Action,
    LeakReport,
    Measured,
    Measurement,
    Outcome,
    RetrainDecision,
    RunReport,
    Table,
    TrainingSet,
)
from models.recipe import Training
from tasks.conclusion import conclude, require_enough_rows, require_useful
from tests.judged import estimate
from tests.tasks.reports import release, report_of, started, window

DRIFTED = RetrainDecision(action=Action.RETRAIN, reasons=("drift",), degraded=False, drifted=True, quality_alpha=0.0)


def rows(count: int) -> Table:
    return Table(uri="", sha256="", bytes=0, rows=count)


def training_set(new: int, **tables: int) -> TrainingSet:
    filled = {name: rows(tables.get(name, 9)) for name in ("train", "validation", "test", "reference_test")}
    return TrainingSet(**filled, new_rows=new, replayed_rows=0, leaks=LeakReport(near=0, examples=()))


def required(found: TrainingSet, decision: RetrainDecision = DRIFTED, *, may_ask: bool = True) -> RetrainDecision:
    return require_enough_rows(decision, found, Training(min_rows=50), may_ask=may_ask)


def test_as_many_new_rows_as_the_spec_names_are_enough_to_train_on() -> None:
    assert required(training_set(50)) == DRIFTED


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (training_set(49), "not trained: 49 new labelled training rows, at least 50 are needed"),
        (training_set(50, test=0), "not trained: no rows for test"),
        (training_set(9, validation=0, reference_test=0), "not trained: no rows for validation, reference_test"),
    ],
)
def test_too_few_rows_are_an_alert_that_asks_for_labels_where_a_drift_may(found: TrainingSet, why: str) -> None:
    short = required(found)
    assert (short.action, short.reasons[-1], short.asks_for_labels) == (Action.ALERT, why, True)
    assert not required(found, may_ask=False).asks_for_labels
    assert not required(found, DRIFTED.model_copy(update={"drifted": False})).asks_for_labels


def test_a_first_model_whose_interval_reaches_down_to_the_simplest_answer_is_released_by_force_only() -> None:
    first = Measurement(on="sealed", metric="accuracy", estimate=estimate(0.75, 100))

    def measured(to_beat: float | None) -> Measured:
        return Measured(measurements=(first,), to_beat=to_beat, simplest="the most frequent label")

    assert require_useful(measured(first.estimate.low - 0.001), force=False) == (first,)
    assert require_useful(measured(None), force=False) == (first,)
    for least in (first.estimate.low, 0.8):
        with pytest.raises(ModelError, match="is not shown to beat the most frequent label"):
            require_useful(measured(least), force=False)
        assert require_useful(measured(least), force=True) == (first,)


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "no new rows"),
        (1, "one new row is too few, and stays unread"),
        (2, "2 new rows are too few, and stay unread"),
    ],
)
def test_a_run_that_looked_at_nothing_says_what_there_was(count: int, told: str) -> None:
    def headline(waiting: bool) -> str:
        found = window(count).model_copy(update={"waiting": waiting})
        ended = conclude(started(release(1)), None, window=found, timings=(), finished_at=datetime.now(UTC))
        return ended.headline

    assert headline(False) == f"Nothing to look at yet: {told}."
    assert headline(True) == "Nothing to look at yet: the next window is not full."


def test_a_gate_that_only_warns_is_not_told_as_what_stopped_a_candidate() -> None:
    report = report_of(Outcome.REJECTED)
    assert isinstance(report, RunReport) and report.attempt
    blessing = report.attempt.blessing
    stopping = next(gate for gate in blessing.gates if gate.verdict is blessing.verdict)
    warning = stopping.model_copy(update={"gate": "only-warns", "mode": "warn"})
    gates = blessing.model_copy(update={"gates": (*blessing.gates, warning)})
    attempt = report.attempt.model_copy(update={"blessing": gates})
    told = conclude(report.start, report.decision, window=window(200), attempt=attempt, timings=(),
                    finished_at=report.finished_at).headline  # fmt: skip
    assert f"gate {stopping.gate}: " in told and "only-warns" not in told
