"""From which of its checkpoints a training that was broken off may go on."""

import json
from pathlib import Path
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError, safe_open

from models import ranks


def last_valid_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint that is whole: they are not written atomically, and a cut one stops the Trainer."""
    checkpoints = sorted(work.glob("checkpoint-*"), key=step_of, reverse=True)
    return next((c for c in checkpoints if _is_whole(c)), None)


def step_of(checkpoint: Path) -> int:
    """By its folder's name, as the Trainer writes it."""
    return int(checkpoint.name.split("-")[1])


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())
        torch.load(checkpoint / "optimizer.pt", weights_only=True, map_location="cpu")
        torch.load(checkpoint / "scheduler.pt", weights_only=True, map_location="cpu")
        for weights in checkpoint.glob("*.safetensors"):
            with safe_open(weights, "pt") as file:
                file.keys()
        names = ["rng_state.pth"] if ranks.size() == 1 else [f"rng_state_{i}.pth" for i in range(ranks.size())]
        return all(is_zipfile(checkpoint / name) for name in names)  # a zip says at its end what is in it
    except (OSError, ValueError, RuntimeError, EOFError, SafetensorError):
        return False
