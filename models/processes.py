"""Trains in this process, or in several on this machine that share each batch (data-parallel: DDP, and nothing else).

The processes are started by torchrun and know each other by the request folder: what to train, and what came of it.
"""

import os
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path

from pydantic import TypeAdapter

from errors import ModelError, OverBudget
from models.adapter import Advance, Examples, KeyRing, Trained, load_model
from models.contracts import Budget, ModelKind, Record, Stopped
from models.recipe import Training

ADVANCED = "advanced "
"""Begins a line on the first process' stdout: how much was done since the last."""
LAST_LINES = 8


class Request(Record):
    """What is to be trained, and the empty folder for the trained files."""

    folder: Path
    kind: ModelKind
    new_head: bool
    train: Examples
    validation: Examples
    training: Training
    work: Path
    budget: Budget
    saved: Path


TRAINED = TypeAdapter(Trained)


def train_model(request: Request, *, advance: Advance, keys: KeyRing | None = None) -> Trained:
    """Writes the trained model's files to `request.saved`. Raises OverBudget at the budget's cap."""
    if request.training.processes > 1:
        return _train_together(request, advance)
    return train_here(request, advance=advance, keys=keys)


def train_here(
    request: Request, *, advance: Advance, saves: bool = True, keys: KeyRing | None = None
) -> Trained:  # fmt: skip
    model = load_model(request.folder, request.kind, new_head=request.new_head, keys=keys)
    trained = model.fine_tune(
        request.train, request.validation, training=request.training, seed=request.kind.seed, work=request.work,
        advance=advance, budget=request.budget,
    )  # fmt: skip
    if saves:
        model.save(request.saved)
    return trained


def _train_together(request: Request, advance: Advance) -> Trained:
    _require_devices(request.training)
    folder = request.work / "request"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "request.json").write_text(request.model_dump_json(), encoding="utf-8")
    last_lines = _run(folder, request.training.processes, advance)
    if (folder / "stopped.json").exists():
        raise OverBudget(Stopped.model_validate_json((folder / "stopped.json").read_bytes()))
    if not (folder / "trained.json").exists():
        raise ModelError(f"the training in {request.training.processes} processes (training.processes) failed:\n"
                         f"{last_lines or 'it said nothing, as where the system kills it for want of memory'}\n"
                         "Mend what it names and run again: it goes on from its last whole checkpoint.")  # fmt: skip
    return TRAINED.validate_json((folder / "trained.json").read_bytes())


def _run(folder: Path, processes: int, advance: Advance) -> str:
    """Runs the workers to their end; the last lines that they wrote to stderr. They hold the other end of a pipe, and
    leave when it closes: they never outlive this process, however it dies."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
               "--redirects=2", f"--log-dir={folder / 'logs'}", "-m", "models.worker", str(folder)]  # fmt: skip
    root = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    with (
        (folder / "torchrun.log").open("wb") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment, text=True
        ) as torchrun,
    ):
        for line in torchrun.stdout or ():
            if line.startswith(ADVANCED):
                advance(int(line.removeprefix(ADVANCED)))
    logs = [*sorted((folder / "logs").rglob("stderr.log")), folder / "torchrun.log"]
    return next((tail for tail in map(_tail, logs) if tail), "")


def _tail(log: Path) -> str:
    with log.open(encoding="utf-8", errors="replace") as lines:
        return "".join(deque(lines, maxlen=LAST_LINES)).strip()


def _require_devices(training: Training) -> None:
    import torch

    found = torch.cuda.device_count()
    if 0 < found < training.processes:
        raise ModelError(f"training.processes = {training.processes}, and this machine has {found} GPUs; each process "
                         f"needs one of its own. Write {found} or less.")  # fmt: skip
