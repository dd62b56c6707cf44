"""How much of what a candidate measured at its release was luck, and do tests against it allow for that?

A candidate is released because it measured well, and later windows are held against what it measured then. Simulated
candidates are judged by the real gate on sealed rows; each that is released is tested by the real check on a window on
which it is as good as it truly is (an alarm is then false), and on others on which it fell.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import SEED
from benchmarks.gates import scorecard
from benchmarks.results import Bar, Findings, Options, Table, main, share
from models.contracts import Comparison, Evidence, QualityCheck
from models.gate_kinds import Better
from tasks.chosen import without_luck
from tasks.gates import judge
from tasks.metrics.classification import accuracy_fell, wilson
from tasks.metrics.paired import score_interval

CHAMPION, DISCORDANCE = 0.8, 0.15
SEALED, LABELS = 400, 1000
LEVEL = 0.01
GAINS = (0.0, 0.02, 0.04, 0.08)
FALLS = (0.0, 0.05, 0.1)
AT_ONCE = 20_000


@dataclass(frozen=True)
class Luck:
    """Of `drawn` candidates, `released` were; `surplus`: how much better these measured than they are, on average. For
    each fall: how many were called worse, by the numbers as they are and without luck."""

    drawn: int
    released: int
    surplus: float
    bare: tuple[int, ...]
    ours: tuple[int, ...]


def measure_release_luck(options: Options) -> Findings:
    """`options.runs`: released candidates of each gain."""
    rng = np.random.default_rng(SEED)
    found = {gain: _simulate(gain, options.runs, rng) for gain in GAINS}
    return Findings(
        question="Is a version called worse because it was lucky when it was released?",
        tables=(_false_alarms(found), _power(found)), bars=(_bar(found),),
        notes=(f"The champion is right on {CHAMPION:.0%} of the rows, and the models differ on {DISCORDANCE:.0%}.",
               "The test's p-value alone; an alarm needs a drop of `policy.min_drop` besides.",
               "As it is: Fisher's exact test of the window against what was measured at the release. With luck taken off: "
               "what monitoring does (`tasks/chosen.py`)."),
    )  # fmt: skip


def _false_alarms(found: dict[float, Luck]) -> Table:
    rows = tuple((f"{gain:.0%}", share(luck.released, luck.drawn), f"{100 * luck.surplus:.1f} points",
                  share(luck.bare[0], luck.released), share(luck.ours[0], luck.released)) for gain, luck in found.items())  # fmt: skip
    return Table(
        title="Candidates that stay as good as they were",
        says=f"How often {SEALED} sealed rows released them, by how much these measured better than they are, and how often a "
             f"test of {LABELS:,} labels at {LEVEL:.0%} then said that they became worse.",
        columns=("truly better by", "released", "measured too much", "false alarms as it is", "with luck taken off"), rows=rows,
    )  # fmt: skip


def _power(found: dict[float, Luck]) -> Table:
    rows = tuple(
        (f"{gain:.0%}", f"{fall:.0%}", share(luck.bare[i], luck.released), share(luck.ours[i], luck.released))
        for gain, luck in found.items() for i, fall in enumerate(FALLS) if fall
    )  # fmt: skip
    return Table(
        title="What it costs", says=f"How often the same test finds a fall of accuracy in {LABELS:,} labels.",
        columns=("truly better by", "fell by", "found as it is", "with luck taken off"), rows=rows,
    )  # fmt: skip


def _bar(found: dict[float, Luck]) -> Bar:
    worst = max((luck for gain, luck in found.items() if gain), key=lambda luck: luck.ours[0] / luck.released)
    return Bar(promise=f"a test at {LEVEL:.0%} is false for at most {LEVEL:.0%} of the released that are truly better",
               measured=share(worst.ours[0], worst.released), met=worst.ours[0] <= LEVEL * worst.released)  # fmt: skip


def _simulate(gain: float, runs: int, rng: np.random.Generator) -> Luck:
    drawn, released = _released(gain, runs, rng)
    right = np.array([won + kept for won, _, kept in released])
    alarms = [_alarms(released, rng.binomial(LABELS, CHAMPION + gain - fall, size=runs)) for fall in FALLS]
    bare, ours = zip(*alarms, strict=True)
    return Luck(drawn, runs, float(right.mean() / SEALED - CHAMPION - gain), bare, ours)


def _released(gain: float, wanted: int, rng: np.random.Generator) -> tuple[int, list[tuple[int, int, int]]]:
    """How many candidates were drawn until so many were released, and these: rows gained, lost, and right as before."""
    gained, lost = (DISCORDANCE + gain) / 2, (DISCORDANCE - gain) / 2
    both = CHAMPION - lost
    drawn, found = 0, list[tuple[int, int, int]]()
    while len(found) < wanted:
        for won, down, kept, _ in rng.multinomial(
            SEALED, [gained, lost, both, 1 - gained - lost - both], size=AT_ONCE
        ).tolist():
            drawn += 1
            if _beats(won, down):
                found.append((won, down, kept))
            if len(found) == wanted:
                break
    return drawn, found


@cache
def _beats(gained: int, lost: int) -> bool:
    return score_interval(gained, lost, SEALED).low > 0


def _alarms(released: list[tuple[int, int, int]], right_now: NDArray[np.int64]) -> tuple[int, int]:
    tested = [_tested(*then, now) for then, now in zip(released, right_now.tolist(), strict=True)]
    bare, ours = zip(*tested, strict=True)
    return sum(p < LEVEL for p in bare), sum(p < LEVEL for p in ours)


def _tested(gained: int, lost: int, kept: int, right_now: int) -> tuple[float, float]:
    """p-values as it is, and with luck taken off, which only makes them larger."""
    bare = accuracy_fell(right_now, LABELS, gained + kept, SEALED)
    if bare >= LEVEL:
        return bare, bare
    check = QualityCheck(metric="accuracy", now=wilson(right_now, LABELS), at_release=wilson(gained + kept, SEALED),
                         p_value=bare, test="Fisher's exact test, one-sided")  # fmt: skip
    return bare, without_luck(check, _evidence(gained, lost, kept)).p_value


@cache
def _evidence(gained: int, lost: int, kept: int) -> Evidence:
    old, new = (wilson(right, SEALED) for right in (lost + kept, gained + kept))
    compared = Comparison(on="current", metric="accuracy", champion=old, candidate=new,
                          difference=score_interval(gained, lost, SEALED))  # fmt: skip
    card = scorecard([compared])
    return Evidence.model_construct(scorecard=card, blessing=judge.fn(card, gates=(Better(),)))


if __name__ == "__main__":
    main("release_luck", measure_release_luck, runs=20_000, quick=200)
