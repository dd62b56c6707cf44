"""A machine goes, and what watches over its runs has seen little of them, or goes with it."""

import time

import pytest
from prefect.states import Pending

from tests.operations.conftest import Model, Operated, kill
from tests.operations.maintenance import Training
from tests.tiny import sentences

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
DOWN = 300
"""Seconds. Prefect's server would have forgotten by then, by its own default, what fell due two minutes after the last beat. And of a
state that follows another within five minutes it lets the automations know when it has seen the event before, or a quarter of an hour
later: with `--stuck-after` as it is by default no mark comes so soon."""


def test_a_run_that_dies_with_prefects_server_is_taken_up_when_the_machine_is_back_though_that_is_late(
    operated: Operated,
) -> None:
    training = Training(operated, "power-cut")
    for process in training.processes():
        kill(process)
    operated.kill("server")
    time.sleep(DOWN)
    operated.start_server()
    operated.start_worker("cpu")
    operated.start_worker("gpu")
    cost = training.finishes()
    assert int(str(cost["resumed_from_step"])) > 0
    assert operated.read(training.run).run_count == 2


def test_a_run_that_a_worker_took_and_never_began_is_marked_and_taken_up_by_another(operated: Operated) -> None:
    model = Model(operated, "never-begun", sentences(600))
    model.upkeep("deploy", "--gpus", "1", "--pending-after", "1m")
    operated.kill("worker-cpu")
    run = operated.ask("maintain/never-begun")
    operated.prefect.set_flow_run_state(run, Pending())  # as a worker says right before it starts a process
    operated.until("it is marked and scheduled again", lambda: operated.read(run).state_name == "AwaitingRetry")
    operated.start_worker("cpu")
    operated.until("it completes", lambda: operated.read(run).state_name == "Completed")
    crashed = [state for state in operated.prefect.read_flow_run_states(run) if state.is_crashed()]
    assert ["Pending for 60 seconds" in str(state.message) for state in crashed] == [True]
