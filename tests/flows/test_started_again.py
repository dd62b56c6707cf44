"""A Prefect run whose process died behind its last write, or was only thought to be dead, is started again: it is done."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from prefect import Flow, get_client
from prefect.flow_engine import run_flow
from prefect.states import AwaitingRetry

from flows.inspect import read_all_history, read_status
from flows.maintain import maintain
from flows.promote import promote
from flows.rollback import rollback
from infra.object_store import ObjectStore
from models.contracts import ApprovalAnswer, Ended, Handled, Release
from models.spec import read_spec
from tasks.opened import owe
from tasks.registry.versions import read_version
from tasks.runs import open_run
from tests.flows.champions import adopted
from tests.flows.conftest import Home
from tests.flows.test_approval import Asking
from tests.judged import entry
from tests.releases import moved
from tests.tiny import sentences

pytestmark = pytest.mark.filterwarnings("ignore:Logger 'prefect")


class Died(Exception):
    """Stands for a process that is gone."""


def twice(flow: Flow[..., Any], between: Callable[[], object] = lambda: None, **parameters: Any) -> tuple[Any, Any]:
    """What one Prefect run answers, if it does not die, and what it answers when the server has it started again."""
    first = None
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(flow, parameters=parameters)
        with suppress(Died):
            first = run_flow(flow, flow_run=run, parameters=parameters)
        between()
        client.set_flow_run_state(run.id, AwaitingRetry(), force=True)
        return first, run_flow(flow, flow_run=client.read_flow_run(run.id), parameters=parameters)


@pytest.fixture
def registry(home: Home, store: ObjectStore) -> Asking:
    return Asking(home, store)


@pytest.mark.slow
def test_a_rollback_that_is_started_again_after_its_end_does_not_go_back_once_more(
    registry: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    registry.publish(judged_against=1)
    promote.fn(registry.spec)
    first, again = twice(rollback, spec_path=registry.spec)
    assert isinstance(first, Release)
    assert first == again
    assert [entry.version for entry in read_status(registry.spec).log] == [1, 2, 1]
    assert "this run had ended before it was started again" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rollback", "maintain"])
def test_a_rollback_that_wrote_what_another_owed_and_died_before_its_own_move_is_not_taken_for_done(
    kind: str, registry: Asking, store: ObjectStore
) -> None:
    """Version 2 is champion, and who made it died behind that."""
    registry.publish(judged_against=1)
    start = open_run.fn(read_spec(registry.spec), "rollback", None, force=False, store=store)
    if kind == "maintain":
        store.delete(store.keys.opened(start.run_id))
        store.delete(store.keys.open_run)
        owe(entry(0, sequence=2, run_id=start.run_id), store)
    moved(read_version(2, store=store), 1, store, start.run_id)

    def die(*_: Any, **__: Any) -> None:
        raise Died

    with pytest.MonkeyPatch.context() as planted:
        planted.setattr("flows.moving.move_alias", die)
        _, again = twice(rollback, planted.undo, spec_path=registry.spec, to=1)
    assert isinstance(again, Release)
    assert again.version == 1


@pytest.mark.slow
def test_a_promotion_that_is_started_again_after_somebody_went_back_does_not_undo_that(registry: Asking) -> None:
    registry.publish(judged_against=1)
    _, again = twice(promote, lambda: rollback.fn(registry.spec), spec_path=registry.spec, version=2)
    assert isinstance(again, Release)
    assert again.version == 1
    assert [entry.version for entry in read_status(registry.spec).log] == [1, 2, 1]


@pytest.mark.slow
def test_a_rejection_that_is_started_again_rejects_no_other_version(registry: Asking) -> None:
    older, newer = registry.ask(), registry.ask()
    first, again = twice(promote, spec_path=registry.spec, answer="reject", why="it is rude")
    assert isinstance(first, ApprovalAnswer)
    assert first == again == registry.answer(newer)
    assert registry.answer(older) is None


@pytest.mark.slow
def test_an_approval_that_died_behind_its_answer_goes_on_with_that_version_although_a_newer_one_waits(
    registry: Asking,
) -> None:
    answered = registry.ask()

    def die(*_: Any, **__: Any) -> None:
        registry.ask()
        raise Died

    with pytest.MonkeyPatch.context() as planted:
        planted.setattr("flows.promote.move_champion", die)
        first, again = twice(promote, planted.undo, spec_path=registry.spec, why="reads well")
    assert first is None and isinstance(again, Release)
    assert again.version == registry.champion == answered


@pytest.mark.slow
def test_a_maintenance_run_that_is_started_again_after_its_end_leaves_what_came_since_to_the_next(
    home: Home, store: ObjectStore
) -> None:
    adopted(home, store)
    home.receive("day-1", sentences(60, start=2000))
    first, again = twice(maintain, lambda: home.receive("day-2", sentences(60, start=9000)), spec_path=home.spec)
    assert isinstance(first, Ended)
    assert isinstance(again.report, Handled)
    history = read_all_history(home.spec)
    assert len(history) == 2
    assert again.report.run_id == history[0].run_id
