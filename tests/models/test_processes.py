"""Two real processes that torchrun starts, over gloo on the CPU."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from errors import ModelError, OverBudget
from models.contracts import Budget, ModelKind
from models.processes import Request, train_model
from models.recipe import Training
from models.text_classification import TextClassifier
from tests.tiny import examples, tiny_model

ROOT = Path(__file__).resolve().parents[2]
KIND = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=16, seed=1)


def request(folder: Path, *, budget: Budget | None = None, name: str = "a", **training: object) -> Request:
    base, saved = folder / "base", folder / f"saved-{name}"
    if not base.exists():
        tiny_model(base)
    saved.mkdir(exist_ok=True)
    settings = {"epochs": 20, "learning_rate": 0.005, "threads": 1, "patience": 100, "processes": 2, **training}
    return Request(folder=base, kind=KIND, new_head=True, train=examples(200), validation=examples(50, 300),
                   training=Training.model_validate(settings), work=folder / f"training-{name}",
                   budget=budget or Budget(), saved=saved)  # fmt: skip


def load(folder: Path) -> TextClassifier:
    return TextClassifier.load(folder, KIND, new_head=False)


@pytest.mark.slow
def test_two_processes_train_one_model_and_go_on_after_a_cap_as_if_there_had_been_none(tmp_path: Path) -> None:
    told: list[int] = []
    through = request(tmp_path, name="through")
    trained = train_model(through, advance=told.append)
    assert "2 processes, data-parallel" in trained.recipe
    assert trained.cost.steps == 20 * -(-200 // 16)  # the batch is shared: no more steps, and no fewer
    assert sum(told) == 1000
    found = load(through.saved).predict(examples(100, 500).texts, advance=told.append).numbers.argmax(1)
    assert (np.array(KIND.labels)[found] == np.array(examples(100, 500).labels)).mean() > 0.9

    parts = request(tmp_path, name="parts", budget=Budget(cap=0.01, limit="policy.max_training_minutes"))
    with pytest.raises(OverBudget, match="run again") as caught:
        train_model(parts, advance=told.append)
    assert 0 < caught.value.stopped.step < trained.cost.steps
    again = train_model(request(tmp_path, name="parts"), advance=told.append)
    assert again.cost.resumed_from_step == caught.value.stopped.step
    one, other = load(through.saved).model.state_dict(), load(parts.saved).model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_what_a_process_died_of_is_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"(?s)training.processes.*frozen_layers = 9 leaves nothing to train"):
        train_model(request(tmp_path, frozen_layers=9), advance=lambda done: None)


@pytest.mark.slow
def test_the_processes_die_with_the_one_that_asked_and_the_next_goes_on(tmp_path: Path) -> None:
    asked = request(tmp_path, epochs=100)
    (tmp_path / "asked.json").write_text(asked.model_dump_json())
    code = ("import sys; from pathlib import Path; from models.processes import Request, train_model\n"
            "train_model(Request.model_validate_json(Path(sys.argv[1]).read_bytes()), advance=lambda done: None)")  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "asked.json")], cwd=ROOT) as parent:
        wait_until(lambda: any(asked.work.glob("checkpoint-*/trainer_state.json")) or parent.poll() is not None)
        assert parent.poll() is None
        assert len(running(asked.work)) >= 3  # torchrun and its two
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not running(asked.work), seconds=30)
    assert train_model(asked, advance=lambda done: None).cost.resumed_from_step > 0


def running(folder: Path) -> list[int]:
    """Processes whose command names the request."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:  # it ended meanwhile
            continue
        if str(folder).encode() in command and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


def wait_until(reached: object, *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not reached():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_batch_that_the_processes_cannot_share_evenly_is_refused() -> None:
    with pytest.raises(ValidationError, match="batch_size 16 cannot be shared evenly by 3 processes"):
        Training(processes=3)
