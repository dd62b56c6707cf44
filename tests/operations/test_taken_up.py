"""kill -9 of a run before its training and behind it: it is taken up, and releases once."""

import pytest

from tests.operations.conftest import Operated, kill
from tests.operations.maintenance import Maintenance

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("stage", ["ingest window", "detect drift"])
def test_a_run_that_is_killed_before_its_training_is_taken_up_and_releases_once(operated: Operated, stage: str) -> None:
    run = Maintenance(operated, f"killed-in-{stage.replace(' ', '-')}")
    run.reaches(stage)
    kill(operated.process_of(run.run))
    assert run.finishes_once(), run.story()


def test_a_run_that_is_killed_while_it_publishes_is_taken_up_and_releases_once(operated: Operated) -> None:
    run = Maintenance(operated, "killed-in-publishing")
    store = operated.store_of(run.model.name)
    operated.until("it trains", lambda: operated.runs(f"retrain/{run.model.name}"))
    process = operated.process_of(run.run)
    operated.until("version 2 is claimed", lambda: store.exists(store.keys.claim(2)), every=0.02)
    kill(process)
    assert run.finishes_once(), run.story()
