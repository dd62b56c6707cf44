"""How much of what a candidate measured at its release was luck, and what that does to the first test of quality?

A candidate is released because it measured well, and later windows are held against what it measured then. Each simulated
candidate is judged by the real paired interval on sealed rows, and, where that lies above 0, tested by the real one-sided
test on a window on which it is as good as it truly is: an alarm is then false.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from benchmarks.corpus import SEED
from benchmarks.results import Bar, Findings, Options, Table, main, share
from tasks.metrics.classification import accuracy_fell
from tasks.metrics.paired import score_interval

CHAMPION, DISCORDANCE = 0.8, 0.15
SEALED, LABELS = 400, 1000
LEVEL = 0.01
GAINS = (0.02, 0.04)


@dataclass(frozen=True)
class Luck:
    """Of `runs` candidates, so many were released; `surplus`: how much better these measured than they are, on average;
    `alarms` of them were called worse at once."""

    runs: int
    released: int
    surplus: float
    alarms: int


def measure_release_luck(options: Options) -> Findings:
    """`options.runs`: simulated candidates of each gain."""
    rng = np.random.default_rng(SEED)
    found = {gain: _simulate(gain, options.runs, rng) for gain in GAINS}
    rows = tuple((f"{gain:.0%}", share(luck.released, luck.runs), f"{100 * luck.surplus:.1f} points",
                  share(luck.alarms, luck.released)) for gain, luck in found.items())  # fmt: skip
    worst = max(found.values(), key=lambda luck: luck.alarms / luck.released)
    table = Table(
        title="Candidates that are truly better",
        says=f"How often {SEALED} sealed rows released them, by how much these measured better than they are, and how often a first "
             f"test of {LABELS:,} labels at {LEVEL:.0%} then said that they became worse.",
        columns=("truly better by", "released", "measured too much", "false alarms"), rows=rows,
    )  # fmt: skip
    bar = Bar(promise=f"a first test at {LEVEL:.0%} is false for at most {LEVEL:.0%} of the released",
              measured=share(worst.alarms, worst.released), met=worst.alarms <= LEVEL * worst.released)  # fmt: skip
    return Findings(
        question="How much of what a candidate measured at its release was luck?", tables=(table,), bars=(bar,),
        notes=(f"The champion is right on {CHAMPION:.0%} of the rows, and the models differ on {DISCORDANCE:.0%}.",
               "The test's p-value alone; an alarm needs a drop of `policy.min_drop` besides."),
    )  # fmt: skip


def _simulate(gain: float, runs: int, rng: np.random.Generator) -> Luck:
    gained, lost = (DISCORDANCE + gain) / 2, (DISCORDANCE - gain) / 2
    both = CHAMPION - lost
    sealed = rng.multinomial(SEALED, [gained, lost, both, 1 - gained - lost - both], size=runs)
    right_then = np.array([won + kept for won, down, kept, _ in sealed.tolist() if _released(won, down)])
    right_now = rng.binomial(LABELS, CHAMPION + gain, size=len(right_then))
    alarms = sum(accuracy_fell(int(now), LABELS, int(then), SEALED) < LEVEL
                 for now, then in zip(right_now, right_then, strict=True))  # fmt: skip
    surplus = float(right_then.mean() / SEALED - CHAMPION - gain)
    return Luck(runs, len(right_then), surplus, alarms)


@cache
def _released(gained: int, lost: int) -> bool:
    return score_interval(gained, lost, SEALED, level=0.95).low > 0


if __name__ == "__main__":
    main("release_luck", measure_release_luck, runs=40_000, quick=2_000)
