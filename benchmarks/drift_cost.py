"""Time and memory of the whole drift step at 10 k, 100 k and 1 M rows, next to Evidently's text drift on the same rows."""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.champion import held_out
from benchmarks.corpus import SEED
from benchmarks.drift_cost_worker import SPEC
from benchmarks.drift_rows import BASELINE_SHARE, MOVED, Inputs, store_inputs
from benchmarks.results import Bar, Findings, Options, Table, main
from benchmarks.scratch import scratch_folder
from infra.object_store import ObjectStore
from infra.workspace import open_workspace
from models.recipe import Training
from tasks.drift_baseline import prepare_baseline, reader

SIZES = (10_000, 100_000, 1_000_000)
MODES = {
    "verdict": "Upkeep, verdict and what moved",
    "whole": "Upkeep, with Evidently's page",
    "evidently-text": "Evidently's text drift",
    "baseline": "Upkeep, once a champion",
}
BARRED = 100_000
FASTER = 10
BOUND = 1.5
SMALL = 1000


@dataclass(frozen=True)
class Spent:
    cpu: float
    wall: float
    peak_mb: float
    imported_mb: float

    def __str__(self) -> str:
        return f"{self.cpu:.1f} / {self.wall:.1f} s, {self.peak_mb:,.0f} MB"


Found = dict[tuple[int, str], list[Spent]]


def measure_cost(options: Options) -> Findings:
    """`options.runs`: rounds of up to 100 k rows, in which all take turns, so that what else the machine does meets all
    of them; a million rows are measured once."""
    sizes = SIZES[:1] if options.quick else SIZES
    found = {(size, mode): spent for size in sizes for mode, spent in _measured(size, options).items()}
    table = Table(
        title="Cost of a window",
        says="CPU and wall seconds, and the peak of resident memory, of a fresh process (what happens once, such as imports, is "
        "not timed): medians of the rounds, and of the rounds' own ratios.",
        columns=("rows", *MODES.values(), "Evidently ÷ verdict, CPU", "Evidently ÷ whole step, CPU"),
        rows=tuple(_row(size, found) for size in sizes),
    )
    first = next(iter(found.values()))[0]
    return Findings(
        question="What does the drift step cost, however many rows there are?",
        tables=(table,), bars=_bars(sizes, found),
        notes=(
            f"A window of so many rows against a reference of as many, of which {BASELINE_SHARE:.0%} never trained; rows "
            f"are pairs of real film sentences, {MOVED:.0%} of the window's are product reviews, so that the report also "
            "names words and rows. Evidently compares the texts of the window with those that never trained.",
            "Sampled: from 10,000 rows a side on, Upkeep compares a seeded sample of 10,000, and embeddings of 1,000, and "
            "its report says so. Evidently looks at every row. The window's digests are all read, to keep apart what the "
            "champion trained on.",
            f"Of the memory, some {first.imported_mb:,.0f} MB are the libraries.",
            "Tables and outputs lie in the local cache of the store, as after the scoring step, and the champion's baseline "
            "was sampled and its texts read, as after its first look; what that costs once is the last column of times. "
            "Matrices are multiplied by one thread: two that wait for one another spend CPU time on it.",
        ),
    )  # fmt: skip


def _measured(size: int, options: Options) -> dict[str, list[Spent]]:
    films, products = held_out("films"), held_out("products")
    if films is None or products is None:
        raise AssertionError("films and products are always there")
    with scratch_folder() as folder, open_workspace(Path(folder) / "spec.yaml", SPEC) as workspace:
        rng = np.random.default_rng(SEED)
        for name, rows in (("small", SMALL), ("inputs", size)):
            inputs = store_inputs(films, products, rows=rows, folder=Path(folder), store=workspace.store, rng=rng)
            records = {field: record.model_dump(mode="json") for field, record in vars(inputs).items()}
            (Path(folder) / f"{name}.json").write_text(json.dumps(records))
            _into_cache(inputs, workspace.store)
        rounds = options.runs if size <= BARRED else 1
        measured = [(mode, _one(mode, Path(folder))) for _ in range(rounds) for mode in MODES]
        return {mode: [spent for of, spent in measured if of == mode] for mode in MODES}


def _into_cache(inputs: Inputs, store: ObjectStore) -> None:
    prepared = prepare_baseline(
        inputs.baseline, inputs.reference, kind=SPEC.kind, training=Training(), read_by=reader(), store=store
    )
    scored = (inputs.current, inputs.baseline, prepared.sampled)
    tables = (*(s.rows for s in scored), inputs.reference.table)
    for artifact in (*tables, *(s.scores.arrays for s in scored), prepared.reading, prepared.vocabulary):
        store.get_file(artifact)


def _one(mode: str, folder: Path) -> Spent:
    command = [sys.executable, "-m", "benchmarks.drift_cost_worker", mode, str(folder)]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # a thread that waits for another spends CPU time, too
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=alone)
    return Spent(**json.loads(done.stdout.splitlines()[-1]))


def _row(size: int, found: Found) -> tuple[str, ...]:
    middles = [str(_middle(found[size, mode])) for mode in MODES]
    return (f"{size:,}", *middles, *(f"{statistics.median(_ratios(size, m, found)):.1f}" for m in ("verdict", "whole")))


def _middle(spent: list[Spent]) -> Spent:
    """The round of the median CPU time."""
    return sorted(spent, key=lambda s: s.cpu)[len(spent) // 2]


def _ratios(size: int, mode: str, found: Found) -> list[float]:
    """Of each round: Evidently's CPU time to ours."""
    return [theirs.cpu / own.cpu for theirs, own in zip(found[size, "evidently-text"], found[size, mode], strict=True)]


def _bars(sizes: tuple[int, ...], found: Found) -> tuple[Bar, ...]:
    size = max(s for s in sizes if s <= BARRED)
    bars = []
    for mode, name in (("verdict", "the verdict"), ("whole", "the whole step with Evidently's page")):
        ratios = _ratios(size, mode, found)
        bars.append(Bar(
            promise=f"at {size:,} rows {name} is at least {FASTER} times faster than Evidently's text drift (CPU)",
            met=statistics.median(ratios) >= FASTER,
            measured=f"{statistics.median(ratios):.1f} times ({min(ratios):.1f} to {max(ratios):.1f} in {len(ratios)} rounds)",
        ))  # fmt: skip
    first, last = (max(spent.peak_mb for spent in found[s, "whole"]) for s in (min(sizes), max(sizes)))
    bars.append(Bar(
        promise=f"memory is bounded: {max(sizes):,} rows take at most {BOUND} times the memory of {min(sizes):,}",
        met=last <= BOUND * first, measured=f"{first:,.0f} → {last:,.0f} MB",
    ))  # fmt: skip
    return tuple(bars)


if __name__ == "__main__":
    main("drift_cost", measure_cost, runs=5, quick=1)
