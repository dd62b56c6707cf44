"""kill -9 of whatever can die while a model trains: the run is taken up, nothing is trained twice, no slot stays taken."""

from collections.abc import Callable

import pytest

from tests.operations.conftest import Operated, kill
from tests.operations.maintenance import Training

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def the_process_that_trains(training: Training) -> None:
    kill(training.operated.process_of(training.training))


def the_process_that_waits(training: Training) -> None:
    kill(training.operated.process_of(training.run))


def the_worker_of_the_gpu_pool(training: Training) -> None:
    training.operated.kill("worker-gpu")
    training.operated.start_worker("gpu")


def the_worker_of_the_cpu_pool(training: Training) -> None:
    training.operated.kill("worker-cpu")
    training.operated.start_worker("cpu")


def the_server(training: Training) -> None:
    training.operated.kill("server")
    training.operated.start_server()


@pytest.mark.parametrize(
    "death",
    [
        the_process_that_trains,
        the_process_that_waits,
        the_worker_of_the_gpu_pool,
        the_worker_of_the_cpu_pool,
        the_server,
    ],
)
def test_after_kill_9_in_a_training_the_run_is_finished_and_at_most_one_checkpoint_is_lost(
    operated: Operated, death: Callable[[Training], None]
) -> None:
    training = Training(operated, death.__name__.replace("_", "-"))
    reached = training.checkpoints()[-1]
    death(training)
    cost = training.finishes()
    first, *again = operated.runs(f"retrain/{training.model.name}")
    if death is the_process_that_trains:  # it was started again by the run that waits
        assert first.state is not None
        assert first.state.is_crashed()
        assert len(again) == 1
        assert int(str(cost["resumed_from_step"])) >= reached
        assert any("crashed and is started again" in said for said in training.warnings())
    else:  # it goes on, although nobody is left who reads what it prints
        assert again == []
        assert cost["resumed_from_step"] == 0
