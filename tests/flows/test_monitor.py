"""Looking often and cheaply: `monitor` tells what it sees, and leaves training to `maintain`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from errors import StoreError
from flows.bootstrap import bootstrap
from flows.inspect import read_all_history, read_status
from flows.maintain import maintain
from flows.monitor import monitor
from infra.object_store import ObjectStore
from infra.sealed import sealed
from models.contracts import Ended, Handled, Outcome, Pages, RunReport, RunStart
from tasks.history import read_history
from tasks.reporting import write_report
from tasks.runs import close_run
from tests.flows.champions import trained
from tests.flows.conftest import SPEC, Home, moved
from tests.tiny import sentences


@pytest.fixture
def champion(home: Home, store: ObjectStore) -> Home:
    trained(home, store)
    return home


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    events: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("tasks.events.emit_event", lambda name, **rest: events.append((name, rest)))
    return events


def looked(home: Home) -> RunReport:
    report = monitor(home.spec).report
    assert isinstance(report, RunReport)
    return report


def test_a_look_at_nothing_new_leaves_no_trace(champion: Home, store: ObjectStore) -> None:
    assert looked(champion).outcome is Outcome.WAITING
    assert len(read_all_history(champion.spec)) == 1
    assert read_status(champion.spec).unfinished is None


def test_a_look_reads_what_earlier_runs_left_once(
    champion: Home, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = read_history(store=store)
    for number in (2, 3):
        later = first.model_copy(update={"sequence": number, "run_id": f"{first.run_id}-{number}"})
        store.put_bytes(store.keys.finished(number), sealed(later))
    read: list[str] = []
    get = ObjectStore.get_bytes
    monkeypatch.setattr(ObjectStore, "get_bytes", lambda self, key: (read.append(key), get(self, key))[1])
    assert looked(champion).outcome is Outcome.WAITING
    assert read.count(store.keys.finished(2)) == 1


@pytest.mark.slow
def test_rows_that_came_since_a_run_broke_off_are_not_of_the_future_once_it_is_taken_up(
    home: Home, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_spec(columns={**SPEC["columns"], "timestamp": "at"})
    home.receive("day-0", sentences(600).assign(at="2026-01-01"))
    bootstrap(home.spec)
    with monkeypatch.context() as broken, pytest.raises(StoreError):
        broken.setattr("flows.look.ingest_window", lambda *_, **__: (_ for _ in ()).throw(StoreError("it is down")))
        monitor(home.spec)
    start = RunStart.model_validate_json(store.get_bytes(store.keys.open_run))
    a_week_ago = start.model_copy(update={"started_at": start.started_at - timedelta(days=7)})
    store.put_bytes(store.keys.open_run, a_week_ago.model_dump_json().encode())
    home.receive("day-1", sentences(120, start=1000).assign(at=datetime.now(UTC).isoformat()))
    report = looked(home)
    assert report.start.run_id == start.run_id
    assert report.observation is not None
    assert report.observation.validation.kept.rows == 120


@pytest.mark.slow
def test_looks_test_at_no_more_than_the_year_affords(champion: Home) -> None:
    champion.write_spec(policy={"min_rows": 20, "false_alarms_a_year": 0.002})
    champion.receive("day-1", sentences(120, start=1000))
    report = looked(champion)
    assert report.observation is not None
    assert report.observation.drift.alpha == pytest.approx(0.0005)  # half of a half: the purse that is full at first
    champion.receive("day-2", sentences(120, start=2000))
    report = looked(champion)
    assert report.observation is not None
    assert report.observation.drift.alpha < 1e-6  # moments later
    first, second = reversed(read_all_history(champion.spec)[:2])
    assert (first.drift_alpha, first.quality_alpha) == pytest.approx((0.0005, 0.0005))
    assert max(second.drift_alpha, second.quality_alpha) < 1e-6


@pytest.mark.slow
def test_a_look_that_was_left_open_is_charged_where_the_spec_was_changed_since_and_its_rows_are_read_again(
    champion: Home,
) -> None:
    champion.write_spec(policy={"min_rows": 20, "false_alarms_a_year": 0.002, "act_on": "either"})
    champion.receive("day-1", moved(400, start=1000))
    first = looked(champion)
    champion.write_spec(policy={"min_rows": 20, "false_alarms_a_year": 0.002, "act_on": "either", "cooldown": "2h"})
    second = looked(champion)
    assert first.outcome is Outcome.WOULD_RETRAIN
    assert first.observation and second.observation
    assert second.observation.window.rows == first.observation.window.rows == 400
    assert second.observation.drift.alpha < 1e-6 < first.observation.drift.alpha
    charged = next(entry for entry in read_all_history(champion.spec) if entry.run_id == first.start.run_id)
    assert (charged.unread, charged.drift_alpha) == (True, first.observation.drift.alpha)


@pytest.mark.slow
def test_a_drift_that_cannot_train_for_want_of_labels_asks_for_them_by_the_policy(champion: Home) -> None:
    def asked(day: int, act_on: str) -> bool:
        champion.write_spec(policy={"min_rows": 20, "act_on": act_on, "false_alarms_a_year": 1000})
        champion.receive(f"day-{day}", moved(300, start=1000 * day).assign(label=None))
        report = looked(champion)
        assert report.outcome is Outcome.ALERTED
        assert "not trained: " in report.headline
        return report.label_request is not None

    assert not asked(1, "drift")  # docs/policy.md: acting on drift alone asks for no labels
    assert asked(2, "either")
    assert not asked(3, "either")  # policy.ask_every


@pytest.mark.slow
def test_rows_that_are_too_few_to_judge_stay_unread_until_there_are_more(champion: Home) -> None:
    champion.receive("day-1a", sentences(10, start=1000))
    report = looked(champion)
    assert (report.outcome, report.observation) == (Outcome.WAITING, None)
    assert "10 new rows are too few, and stay unread" in report.headline
    champion.receive("day-1b", sentences(15, start=2000))
    report = looked(champion)
    assert report.outcome is Outcome.HELD
    assert report.observation is not None
    assert report.observation.window.rows == 25


def test_a_quiet_window_is_done_once_it_was_looked_at(champion: Home, told: list[tuple[str, dict[str, Any]]]) -> None:
    champion.receive("day-1", sentences(120, start=1000))
    assert looked(champion).outcome is Outcome.HELD
    assert looked(champion).outcome is Outcome.WAITING
    assert [name for name, _ in told] == ["upkeep.window.ingested"]
    assert told[0][1]["resource"]["upkeep.calls-for"] == "nothing"


@pytest.mark.parametrize("flow", [monitor, maintain])
def test_a_look_whose_number_another_run_has_taken_tells_nothing_since_nobody_would_count_what_it_spent(
    flow: Callable[..., Ended], champion: Home, store: ObjectStore, told: list[tuple[str, dict[str, Any]]]
) -> None:
    champion.receive("day-1", sentences(100, start=5000))

    def write_behind_another(report: RunReport, **places: Any) -> Pages:
        last = read_all_history(champion.spec)[0]
        close_run.fn(last.model_copy(update={"sequence": last.sequence + 1, "run_id": "other"}), store=store)
        return write_report.fn(report, **places)

    told.clear()
    with (
        pytest.MonkeyPatch.context() as planted,
        pytest.raises(StoreError, match="finished as number 2 in the meantime"),
    ):
        planted.setattr(f"flows.{flow.name}.write_report", write_behind_another)
        flow(champion.spec)
    assert told == []


@pytest.mark.slow
def test_what_calls_for_training_is_left_open_told_under_the_same_ids_and_taken_up_by_maintain_once(
    champion: Home, told: list[tuple[str, dict[str, Any]]]
) -> None:
    champion.receive("day-1", moved(600, start=2000))
    first, again = looked(champion), looked(champion)
    assert first.outcome is again.outcome is Outcome.WOULD_RETRAIN
    assert first.start == again.start
    names = [name for name, _ in told]
    assert set(names) == {"upkeep.window.ingested", "upkeep.drift.detected", "upkeep.quality.degraded"}
    assert len({rest["id"] for _, rest in told}) == len(names) / 2
    assert {rest["resource"]["upkeep.calls-for"] for _, rest in told} == {"training"}
    (digest,) = {rest["resource"]["upkeep.window"] for _, rest in told}
    assert len(read_all_history(champion.spec)) == 1

    champion.receive("day-2", sentences(100, start=9000))  # is not mixed into the window that was named
    report = maintain(champion.spec, window=digest).report
    assert isinstance(report, RunReport)
    assert (report.outcome, report.start) == (Outcome.RELEASED, first.start)
    assert {s.stage for s in report.stages if s.reused} >= {"scores of the window", "drift"}
    assert len({s.stage for s in report.stages}) == len(report.stages), "two stages have one name"
    assert "upkeep.release.published" in [name for name, _ in told]

    twice = maintain(champion.spec, window=digest).report
    assert isinstance(twice, Handled)
    assert twice.run_id == report.start.run_id
    assert len(read_all_history(champion.spec)) == 2
