"""Real trainings, really stopped at a cap of a second or so, and gone on with."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from errors import OverBudget
from models import metering
from models.adapter import Advance, Examples, Trained
from models.checkpoints import last_valid_checkpoint
from models.contracts import Budget, ModelKind, Stopped
from models.metering import Meter
from models.recipe import Training
from models.text_classification import TextClassifier
from tests.tiny import examples, tiny_model

KIND = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=16, seed=1)
TRAINING = Training.model_validate({"epochs": 30, "learning_rate": 0.005, "threads": 1, "patience": 100})
STEPS = 30 * 8  # 120 rows, 16 a step
EVERY = STEPS // TRAINING.evaluations
ROOT = Path(__file__).resolve().parents[2]
LIMIT = "policy.max_training_minutes"


class Patient:
    """Trains the same tiny model again and again, each time with a somewhat larger cap."""

    def __init__(self, folder: Path) -> None:
        self.base, self.work = tiny_model(folder / "base"), folder / "training-x"
        self.stops: list[Stopped] = []
        self.training, self.validation = TRAINING, examples(40, 200)

    def train(self, budget: Budget, advance: Advance = lambda done: None) -> tuple[TextClassifier, Trained]:
        model = TextClassifier.load(self.base, KIND, new_head=True)
        trained = model.fine_tune(examples(120), self.validation, training=self.training, seed=1,
                                  work=self.work, advance=advance, budget=budget)  # fmt: skip
        return model, trained

    def train_in_parts(self, seconds: float) -> tuple[TextClassifier, Trained]:
        spent = 0.0
        while True:
            try:
                return self.train(Budget(cap=spent + seconds / 60, limit=LIMIT))
            except OverBudget as problem:
                if self.stops and self.stops[-1].step == problem.stopped.step:
                    seconds *= 2  # too busy a machine for a step in that time
                self.stops.append(problem.stopped)
                spent = problem.stopped.minutes


class Contrary(Patient):
    """Whatever it learns, the validation rows say the opposite."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.training = TRAINING.model_copy(update={"patience": 3, "evaluations": 30})
        self.validation = Examples(self.validation.texts, self.validation.labels[::-1])


def same_weights(one: TextClassifier, other: TextClassifier) -> None:
    assert all(torch.equal(one.model.state_dict()[name], found) for name, found in other.model.state_dict().items())


@pytest.mark.slow
def test_a_training_stopped_again_and_again_ends_with_the_weights_of_one_that_never_was(tmp_path: Path) -> None:
    through, whole = Patient(tmp_path / "through").train(Budget())
    patient = Patient(tmp_path / "parts")
    parts, trained = patient.train_in_parts(0.9)
    assert len(patient.stops) >= 2
    assert [s.step for s in patient.stops] == sorted(s.step for s in patient.stops)
    same_weights(parts, through)
    assert trained.cost.steps == whole.cost.steps
    assert trained.cost.seconds > 60 * patient.stops[-1].minutes


@pytest.mark.slow
@pytest.mark.parametrize("evaluation", [2, TRAINING.evaluations])
def test_an_evaluation_over_the_cap_is_left_and_made_first_when_the_training_goes_on(
    evaluation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient, through = Patient(tmp_path / "parts"), Patient(tmp_path / "through")
    step = evaluation * EVERY

    def hours_pass_before_the_evaluation(done: int, seen: list[int] = []) -> None:  # noqa: B006
        seen.append(done)
        if len(seen) == step:
            monkeypatch.setattr(Meter, "seconds", 7200.0)

    with pytest.raises(OverBudget, match=f"at step {step} of {STEPS}.*run again") as caught:
        patient.train(Budget(cap=60, limit=LIMIT), hours_pass_before_the_evaluation)
    monkeypatch.undo()
    checkpoint = last_valid_checkpoint(patient.work)
    assert str(checkpoint) == caught.value.stopped.checkpoint
    model, trained = patient.train(Budget())
    assert trained.cost.resumed_from_step == step
    assert [p.step for p in trained.curve if p.validation_loss is not None][:6] == list(range(EVERY, STEPS + 1, EVERY))
    same_weights(model, through.train(Budget())[0])


@pytest.mark.slow
@pytest.mark.parametrize("step", [20, 32])
def test_patience_is_as_short_for_a_training_that_was_stopped_as_for_one_that_never_was(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every label of the validation rows is wrong, so that each evaluation is worse; at step 32 patience ends."""
    through, parts = Contrary(tmp_path / "through"), Contrary(tmp_path / "parts")
    whole, trained = through.train(Budget())
    assert (trained.cost.steps, trained.cost.stopped) == (32, "early: no better validation loss")
    steps: list[int] = []

    def hours_pass(done: int) -> None:
        steps.append(done)
        if len(steps) == step:
            monkeypatch.setattr(Meter, "seconds", 7200.0)

    with pytest.raises(OverBudget, match=f"at step {step} "):
        parts.train(Budget(cap=60, limit=LIMIT), hours_pass)
    monkeypatch.undo()
    model, found = parts.train(Budget())
    assert (found.cost.steps, found.cost.stopped) == (32, "early: no better validation loss")
    same_weights(model, whole)


@pytest.mark.parametrize("contrary", [True, False])
def test_a_training_killed_after_its_last_step_trains_no_further(contrary: bool, tmp_path: Path) -> None:
    """Two epochs and a half: the Trainer would go on with the epoch that was begun."""
    patient = (Contrary if contrary else Patient)(tmp_path)
    patient.training = patient.training.model_copy(update={} if contrary else {"epochs": 2.5})
    whole, trained = patient.train(Budget())
    patient.work = patient.work.rename(tmp_path / "moved")
    model, again = patient.train(Budget())
    assert (again.cost.steps, again.curve) == (trained.cost.steps, trained.curve)
    same_weights(model, whole)


@pytest.mark.slow
def test_a_training_killed_again_and_again_uses_no_more_than_its_cap(tmp_path: Path) -> None:
    """Each process is killed in the middle; the meter's file, not the processes, knows what they used together."""
    file = tmp_path / "seconds"
    code = f"""
import sys, time
from pathlib import Path
from models.metering import Meter
with Meter(Path({str(file)!r})) as meter:
    print(meter.seconds, flush=True)
    time.sleep(60)
"""
    began, used = time.monotonic(), []
    for _ in range(4):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            used.append(float(process.stdout.readline()))
            time.sleep(0.7)
            process.kill()
    with Meter(file) as meter:
        assert 4 * 0.7 <= meter.seconds <= time.monotonic() - began + 4 * metering.EVERY_SECONDS
    assert used == sorted(used)
    assert Meter(file, at_least=500).seconds >= 500


def test_a_clock_that_a_power_cut_left_empty_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "seconds").touch()
    assert Meter(tmp_path / "seconds", at_least=30).seconds == pytest.approx(30, abs=1)


def test_two_processes_that_train_the_same_keep_one_clock_and_neither_fails(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from models.metering import Meter
meter = Meter(Path({str(tmp_path / "seconds")!r}))
for _ in range(3000):
    meter._write(7.0)
"""
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[1].decode()[-300:] for process in both] == ["", ""]
    assert Meter(tmp_path / "seconds").seconds >= 7


def test_a_training_that_another_process_ended_first_fails_for_no_clock(tmp_path: Path) -> None:
    work = tmp_path / "training-1"
    with Meter(work / "seconds"):
        while not (work / "seconds").exists():
            time.sleep(0.01)
        shutil.rmtree(work)
    assert not work.exists()
