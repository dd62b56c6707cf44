"""A Prefect run whose process died behind its last write, or was only thought to be dead, is started again: it is done."""

from collections.abc import Callable
from typing import Any

import pytest
from prefect import Flow, get_client
from prefect.flow_engine import run_flow
from prefect.states import AwaitingRetry

from flows.bootstrap import bootstrap
from flows.inspect import read_all_history, read_status
from flows.maintain import maintain
from flows.promote import promote
from flows.rollback import rollback
from infra.object_store import ObjectStore
from models.contracts import ApprovalAnswer, Ended, Handled, Release
from tests.flows.conftest import Home
from tests.flows.test_approval import Asking
from tests.tiny import sentences

pytestmark = pytest.mark.filterwarnings("ignore:Logger 'prefect")


def twice(flow: Flow[..., Any], between: Callable[[], object] = lambda: None, **parameters: Any) -> tuple[Any, Any]:
    """What one Prefect run answers, and what it answers when the server has it started again after its end."""
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(flow, parameters=parameters)
        first = run_flow(flow, flow_run=run, parameters=parameters)
        between()
        client.set_flow_run_state(run.id, AwaitingRetry(), force=True)
        return first, run_flow(flow, flow_run=client.read_flow_run(run.id), parameters=parameters)


@pytest.fixture
def registry(home: Home, store: ObjectStore) -> Asking:
    return Asking(home, store)


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


def test_a_promotion_that_is_started_again_after_somebody_went_back_does_not_undo_that(registry: Asking) -> None:
    registry.publish(judged_against=1)
    _, again = twice(promote, lambda: rollback.fn(registry.spec), spec_path=registry.spec, version=2)
    assert isinstance(again, Release)
    assert again.version == 1
    assert [entry.version for entry in read_status(registry.spec).log] == [1, 2, 1]


def test_a_rejection_that_is_started_again_rejects_no_other_version(registry: Asking) -> None:
    older, newer = registry.ask(), registry.ask()
    first, again = twice(promote, spec_path=registry.spec, answer="reject", why="it is rude")
    assert isinstance(first, ApprovalAnswer)
    assert first == again == registry.answer(newer)
    assert registry.answer(older) is None


def test_a_maintenance_run_that_is_started_again_after_its_end_leaves_what_came_since_to_the_next(home: Home) -> None:
    home.write_spec(model={"source": "model", "max_tokens": 16, "adopt": True})
    home.receive("day-0", sentences(300))
    bootstrap(home.spec, force=True)
    home.receive("day-1", sentences(60, start=2000))
    first, again = twice(maintain, lambda: home.receive("day-2", sentences(60, start=9000)), spec_path=home.spec)
    assert isinstance(first, Ended)
    assert isinstance(again.report, Handled)
    history = read_all_history(home.spec)
    assert len(history) == 2
    assert again.report.run_id == history[0].run_id
