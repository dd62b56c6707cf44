"""One of the processes that train together: `torchrun … -m models.worker REQUEST_FOLDER`, started by models/processes.py."""

import os
import sys
import threading
from pathlib import Path

from errors import OverBudget
from models import ranks
from models.adapter import quietly
from models.processes import ADVANCED, TRAINED, Request, train_here


def work(folder: Path) -> None:
    """The first process saves the model and writes what came of it."""
    request = Request.model_validate_json((folder / "request.json").read_bytes())
    _take_a_device()
    first = ranks.is_first()
    try:
        trained = train_here(request, advance=_tell if first else quietly, saves=first)
        name, outcome = "trained.json", TRAINED.dump_json(trained)
    except OverBudget as over:
        name, outcome = "stopped.json", over.stopped.model_dump_json().encode()
    if first:
        (folder / name).write_bytes(outcome)


def _take_a_device() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))


def _tell(done: int) -> None:
    sys.stdout.write(f"{ADVANCED}{done}\n")
    sys.stdout.flush()


def _leave_with_the_parent() -> None:
    """stdin is a pipe that nobody writes to; it ends when the process that asked for the training ends."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_leave_with_the_parent, daemon=True).start()
    work(Path(sys.argv[1]))
