"""What does a training cost, next to the Hugging Face Trainer as its documentation shows it, and is it as good?"""

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.recipe_worker import BATCH, EPOCHS, MAX_TOKENS, TEST, TRAIN
from benchmarks.results import Bar, Findings, Options, Table, main, share
from benchmarks.scratch import scratch_folder
from infra.progress import bar

ARMS = {
    "padded": f"Trainer, rows padded to {MAX_TOKENS} tokens",
    "plain": "Trainer, rows padded to the longest of their batch",
    "upkeep": "Upkeep",
    "frozen": "Upkeep, frozen_layers: 3 (of 6)",
}


@dataclass(frozen=True)
class Spent:
    wall: float
    cpu: float
    right: int


def measure_recipe(options: Options) -> Findings:
    """`options.runs`: rounds, in each of which every arm is trained once; medians count."""
    rounds: list[dict[str, Spent]] = []
    with bar("training", total=options.runs * len(ARMS), unit="models") as advance:
        for _ in range(options.runs):
            rounds.append({})
            for arm in ARMS:
                rounds[-1][arm] = _one(arm)
                advance(1)
    table = Table(
        title="One fine-tuning",
        says="Seconds, and the ratio to Upkeep of the same round (medians); rows that it gets right of those that no arm "
             "trained on.",
        columns=("with", "seconds", "CPU-s", "seconds ÷ Upkeep's", f"right of {TEST:,}"),
        rows=tuple(_row(arm, rounds) for arm in ARMS),
    )  # fmt: skip
    return Findings(
        question="What does a training cost, next to the Trainer as its documentation shows it?",
        tables=(table,), bars=_bars(rounds),
        notes=(
            f"MiniLM (6 layers × 384) with a new head, {TRAIN:,} film sentences, {EPOCHS} epoch, batches of {BATCH}, one learning "
            "rate and seed for all. Upkeep's seconds include six evaluations on 100 rows and as many checkpoints, and the "
            "choice of the number of threads; the Trainer's do not.",
        ),
    )  # fmt: skip


def _one(arm: str) -> Spent:
    with scratch_folder() as folder:
        command = [sys.executable, "-m", "benchmarks.recipe_worker", arm, str(Path(folder))]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return Spent(**json.loads(done.stdout.splitlines()[-1]))


def _row(arm: str, rounds: list[dict[str, Spent]]) -> tuple[str, ...]:
    spent = [found[arm] for found in rounds]
    middle = [statistics.median(getattr(s, name) for s in spent) for name in ("wall", "cpu")]
    right = round(statistics.median(s.right for s in spent))
    return (ARMS[arm], f"{middle[0]:.1f}", f"{middle[1]:.1f}", f"{_ratio(arm, rounds):.2f}",
            f"{right:,}, {share(right, TEST)}")  # fmt: skip


def _ratio(arm: str, rounds: list[dict[str, Spent]]) -> float:
    return statistics.median(found[arm].wall / found["upkeep"].wall for found in rounds)


def _bars(rounds: list[dict[str, Spent]]) -> tuple[Bar, ...]:
    padded = _ratio("padded", rounds)
    return (Bar(promise="a training with its evaluations and checkpoints is faster than a plain padded Trainer run without",
                met=padded > 1, measured=f"{padded:.2f} times"),)  # fmt: skip


if __name__ == "__main__":
    main("recipe", measure_recipe, runs=3, quick=1)
