"""A machine goes, and what watches over its runs has seen little of them, or goes with it."""

import time

import pytest
from prefect import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending

from tests.operations.conftest import Model, Operated, kill
from tests.operations.maintenance import Training
from tests.tiny import sentences

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
STUCK, FORGETS = 120, 60
"""Seconds: when the run is to be marked, and for how long Prefect's server would remember that, by its own default."""


def test_a_run_that_dies_with_prefects_server_frees_its_slot_when_the_machine_is_back_late_and_the_next_run_ends_it(
    operated: Operated,
) -> None:
    training = Training(operated, "power-cut")
    died = training.run
    for process in training.processes():
        kill(process)
    operated.kill("server")
    time.sleep(STUCK + FORGETS + 10)
    operated.start_server()
    operated.start_worker("cpu")
    operated.start_worker("gpu")
    operated.until("the run is marked", lambda: operated.read(died).state_name == "Crashed")
    training.run = operated.ask("maintain/power-cut")  # as the schedule does, before Prefect takes the old one up
    cost = training.finishes()
    assert int(str(cost["resumed_from_step"])) > 0


def test_a_run_that_a_worker_took_and_never_began_is_marked_and_taken_up_by_another(operated: Operated) -> None:
    model = Model(operated, "never-begun", sentences(600))
    model.upkeep("deploy", "--gpus", "1", "--pending-after", "1m")
    operated.kill("worker-cpu")
    run = operated.ask("maintain/never-begun")
    with temporary_settings({PREFECT_API_URL: operated.url}), get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Pending())  # as a worker says right before it starts a process
    operated.until("it is marked and scheduled again", lambda: operated.read(run).state_name == "AwaitingRetry")
    operated.start_worker("cpu")
    operated.until("it completes", lambda: operated.read(run).state_name == "Completed")
