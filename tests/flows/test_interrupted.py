"""A run that dies between the move of the alias and its history entry has released; whoever comes next finishes it."""

from typing import Any

import pytest

from errors import ModelError, SpecError, StoreError
from flows.bootstrap import bootstrap
from flows.inspect import describe, read_all_history, read_status
from flows.maintain import maintain
from flows.monitor import monitor
from flows.registry import audit_registry
from flows.rollback import rollback
from infra.object_store import ObjectStore
from models.contracts import BootstrapReport, Manifest, Outcome, RunReport
from models.spec import read_spec
from tasks.registry.aliases import require_alias
from tasks.registry.checks import verify_version
from tasks.runs import open_run
from tests.flows.champions import adopted, run, trained
from tests.flows.conftest import SPEC, Home, moved
from tests.killed import Killed
from tests.tiny import sentences


def die_before(function: str, run: Any, **options: Any) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as planted, pytest.raises(Killed):
        planted.setattr(function, die)
        run(**options)


@pytest.mark.slow
def test_a_release_that_died_before_its_history_entry_is_finished_by_the_next_run_whatever_it_was_asked_for(
    home: Home,
) -> None:
    home.receive("day-0", sentences(600))
    bootstrap(home.spec)
    home.receive("day-1", moved(600, start=2000))
    die_before("flows.maintain.write_report", maintain, spec_path=home.spec, force=True)
    status = read_status(home.spec)
    assert status.champion is not None and status.champion.version == 2 and status.unfinished is not None

    home.write_spec(policy={"min_rows": 20, "cooldown": "30d", "min_labels": 5000})  # by this nothing would be trained
    home.receive("day-2", sentences(100, start=9000))
    report = maintain(home.spec).report
    assert isinstance(report, RunReport)
    assert report.outcome is Outcome.RELEASED
    assert report.start.run_id == status.unfinished.run_id
    first = read_all_history(home.spec)[0]
    assert (first.outcome, first.rows, first.retrained, first.champion_version) == (Outcome.RELEASED, 600, True, 2)

    following = maintain(home.spec).report  # it begins behind the rows on which version 2 was trained
    assert isinstance(following, RunReport) and following.observation is not None
    assert following.observation.validation.read == 100
    assert following.start.spec_digest != report.start.spec_digest


@pytest.mark.slow
@pytest.mark.parametrize("lost", [False, True])
def test_a_rollback_over_a_release_that_died_forgets_nothing_of_it_and_the_next_run_begins_behind_its_rows(
    lost: bool, home: Home, store: ObjectStore
) -> None:
    trained(home, store)
    home.receive("day-1", moved(600, start=2000))
    die_before("flows.maintain.write_report", maintain, spec_path=home.spec)
    died = read_status(home.spec).unfinished
    assert died is not None
    if lost:  # another opened before the alias had moved
        other = died.model_copy(update={"kind": "rollback", "run_id": "another"})
        store.put_bytes(store.keys.open_run, other.model_dump_json().encode())
    assert rollback.fn(home.spec, why="it errs").version == 1

    back, released, _ = read_all_history(home.spec)
    assert (back.outcome, back.champion_version, back.sequence) == (Outcome.ROLLED_BACK, 1, 3)
    assert (released.run_id, released.outcome, released.champion_version) == (died.run_id, Outcome.RELEASED, 2)
    assert (released.rows, released.retrained, released.degraded) == (600, True, True)
    assert released.training_minutes > 0 and released.drift_alpha > 0 and released.quality_alpha > 0
    assert "version 2 became champion" in released.headline.lower()
    assert back.cursor == released.cursor != died.cursor
    following = maintain(home.spec).report
    assert isinstance(following, RunReport) and following.outcome is Outcome.WAITING
    assert audit_registry(home.spec, deep=False).misfits == ()


@pytest.mark.slow
def test_a_bootstrap_that_died_before_its_history_entry_is_finished_by_a_bootstrap_and_until_then_no_run_begins(
    home: Home,
) -> None:
    adopt = {"model": {"source": "model", "max_tokens": 16, "adopt": True}}
    home.write_spec(**adopt)
    home.receive("day-0", sentences(300))
    die_before("flows.bootstrap.write_report", bootstrap, spec_path=home.spec, force=True)
    assert "the next `upkeep bootstrap` takes it up" in "\n".join(describe(read_status(home.spec)))
    with pytest.raises(SpecError, match="`upkeep bootstrap SPEC` finishes it"):
        maintain(home.spec)

    home.write_spec(**adopt, policy={**SPEC["policy"], "cooldown": "1d"})
    finished = bootstrap(home.spec).report
    assert isinstance(finished, BootstrapReport)
    assert finished.release.version == 1
    waiting = maintain(home.spec).report  # it read those rows
    assert isinstance(waiting, RunReport) and waiting.outcome is Outcome.WAITING


@pytest.mark.slow
def test_a_bootstrap_that_had_released_is_finished_although_its_model_could_not_be_read_for_a_while(home: Home) -> None:
    home.write_spec(model={"source": "model", "max_tokens": 16, "adopt": True})
    home.receive("day-0", sentences(300))
    die_before("flows.bootstrap.write_report", bootstrap, spec_path=home.spec, force=True)
    away = (home.folder / "model").rename(home.folder / "away")
    with pytest.raises(ModelError, match="neither a folder"):
        bootstrap(home.spec, force=True)
    away.rename(home.folder / "model")
    finished = bootstrap(home.spec, force=True).report
    assert isinstance(finished, BootstrapReport) and finished.release.version == 1


@pytest.mark.slow
def test_a_run_that_told_what_it_saw_and_died_is_charged_where_the_spec_was_changed_since(
    home: Home, store: ObjectStore
) -> None:
    adopted(home, store)
    spec = {"model": {"source": "model", "max_tokens": 16, "adopt": True}}
    home.write_spec(**spec, policy={"min_rows": 20, "false_alarms_a_year": 0.002})
    home.receive("day-1", moved(300, start=1000).assign(label=None))
    die_before("flows.maintain.close", maintain, spec_path=home.spec)
    home.write_spec(**spec, policy={"min_rows": 20, "false_alarms_a_year": 0.002, "cooldown": "2h"})
    again = maintain(home.spec).report
    assert isinstance(again, RunReport) and again.observation is not None
    told, died = read_all_history(home.spec)[:2]
    assert again.observation.drift.alpha < 1e-6 < died.drift_alpha
    assert (died.outcome, died.unread, died.rows, told.rows) == (Outcome.ALERTED, True, 0, 300)
    assert died.headline.endswith("Another run took its place and reads its rows again.")


@pytest.mark.slow
def test_a_look_does_not_forget_a_run_that_had_released_however_few_its_rows_were(
    home: Home, store: ObjectStore
) -> None:
    adopted(home, store)
    home.write_spec(model={"source": "model", "max_tokens": 16, "adopt": True}, policy={"min_rows": 500})
    champion = read_status(home.spec).champion
    assert champion is not None
    began = open_run.fn(read_spec(home.spec), "maintain", champion, force=True, store=store)
    died = began.model_copy(update={"run_id": champion.entry.run_id})  # as if it had moved the alias
    store.put_bytes(store.keys.open_run, died.model_dump_json().encode())
    home.receive("day-1", sentences(200, start=5000))
    report = monitor(home.spec).report
    assert isinstance(report, RunReport) and report.outcome is Outcome.WOULD_RETRAIN
    assert read_status(home.spec).unfinished == died


@pytest.mark.slow
def test_a_slow_twin_of_a_run_that_released_does_not_undo_the_rollback_that_came_meanwhile(
    home: Home, store: ObjectStore
) -> None:
    trained(home, store)
    home.receive("day-1", moved(600, start=2000))
    slow = pytest.MonkeyPatch()

    def overtaken(manifest: Manifest, **given: Any) -> Manifest:
        slow.undo()
        assert run(home).outcome is Outcome.RELEASED  # the same run, taken up on another machine
        assert rollback(home.spec).version == 1
        return verify_version(manifest, **given)

    slow.setattr("flows.promote.verify_version", overtaken)
    with pytest.raises(StoreError, match="somebody else moved it"):
        maintain(home.spec)
    assert require_alias("champion", store=store).version == 1
