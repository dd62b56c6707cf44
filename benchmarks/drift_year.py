"""A year in which nothing changes: 365 daily windows against one reference. How many alarms does a user get?

The days of a year share their reference and draw from the same remaining rows, as in life; a day's own rows do not
repeat. The tests and their shares of alpha are those of `find_signals`, on unlabelled windows. What does not change
from day to day is kept: sorted reference columns, and the exact p-value of each Kolmogorov-Smirnov distance. On the
first days of every year `find_signals` itself is asked too, and must give the same p-values.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from benchmarks.champion import Scored, held_out
from benchmarks.corpus import SEED
from benchmarks.results import Bar, Findings, Options, Table, main, share
from benchmarks.windows import ALPHA, POLICY, REFERENCE_ROWS, Rows, known_words, side, verdict
from infra.progress import bar
from models.sections import Policy
from tasks import signals
from tasks.metrics.descriptors import describe
from tasks.metrics.spending import level
from tasks.metrics.two_sample import ks, mmd
from tasks.metrics.vocabulary import out_of_vocabulary
from tasks.metrics.words import split_words

DAYS, WINDOW = 365, 200
EMBEDDING_ROWS = 100
"""A side, for time: the test's rate holds at any number of rows."""
CHECKED_DAYS = 2
BUDGET = Policy().false_alarms_a_year
"""Half of it is the drift verdict's, as in `tasks.budget`."""
RESAMPLES = 4000
Numbers = NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True)
class Rule:
    """Which days are alarms, from the smallest ratio of a p-value to its test's share of alpha, at alpha = 1."""

    name: str
    alarms: Callable[[Numbers, Numbers], NDArray[np.bool_]]
    """(that ratio of each day, the smallest p-value of each day) → alarm?"""


def daily_levels() -> Numbers:
    """What each day of a year with a run a day may spend, the first after a bootstrap the day before."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    days = [start + timedelta(days=day) for day in range(DAYS + 1)]
    return np.array([
        level(ALPHA, false_alarms_a_year=BUDGET / 2, looks=days[:day], now=days[day]) for day in range(1, DAYS + 1)
    ])  # fmt: skip


LEVELS = daily_levels()
DAILY = float(LEVELS[-1])
RULES = (
    Rule(f"Upkeep: levels that add up to {LEVELS.sum():.2f}", lambda ratio, _: ratio <= LEVELS[: len(ratio)]),
    Rule("alpha 1 % a day, shared by the signals, no budget", lambda ratio, _: ratio <= ALPHA),
    Rule("alpha 5 % a day, shared by the signals, no budget", lambda ratio, _: ratio <= 0.05),
    Rule("p < .05 of any signal", lambda _, least: least < 0.05),
)


def measure_years(options: Options) -> Findings:
    """`options.runs`: simulated years."""
    corpus = held_out("films")
    if corpus is None:
        raise AssertionError("film sentences are always there")
    rng = np.random.default_rng(SEED)
    days = 60 if options.quick else DAYS
    counted: dict[str, list[int]] = {rule.name: [] for rule in RULES}
    with bar("years", total=options.runs, unit="years") as advance:
        world = World.of(corpus)
        for _ in range(options.runs):
            ratio, least = world.year(days, rng)
            for rule in RULES:
                counted[rule.name].append(int(rule.alarms(ratio, least).sum()))
            advance(1)
    ours = counted[RULES[0].name]
    low, high = _interval(ours, rng)
    return Findings(
        question=f"{days} days on which nothing changes: how many alarms are there?",
        tables=(_table(counted, days, rng),),
        bars=(
            Bar(promise="at most one expected alarm a year", met=float(np.mean(ours)) <= BUDGET,
                measured=f"{np.mean(ours):.2f} [{low:.2f}, {high:.2f}] in {len(ours)} years of {days} days"),
        ),
        notes=(
            f"The drift verdict has half of the year's budget (the other half is the quality test's), so its expected "
            f"number is at most {BUDGET / 2:g}; its levels are those that a run a day gets from an empty history on.",
            f"Windows of {WINDOW} unlabelled film sentences against {REFERENCE_ROWS:,}, p-values alone (floors off); "
            f"embeddings on {EMBEDDING_ROWS} rows a side, for time. A year draws its reference anew; its windows are "
            f"drawn from the other {len(corpus) - REFERENCE_ROWS:,} rows, which come back on other days.",
            "Intervals resample years (percentile bootstrap), since the days of a year are not independent. The expected "
            "number is the sum of the daily levels whatever their dependence; the spread between years is not.",
            f"On {CHECKED_DAYS} days of every year the shortcuts of this script were held against `find_signals`: the "
            "same p-values.",
        ),
    )  # fmt: skip


@dataclass(frozen=True)
class World:
    """A corpus as the tests see it: the numbers that each distribution test compares (tests × rows), and every
    test's share of alpha, the embeddings' first."""

    corpus: Scored
    columns: Numbers
    shares: Numbers

    @classmethod
    def of(cls, corpus: Scored) -> "World":
        described = describe(corpus.corpus.texts)
        unknown = out_of_vocabulary(split_words(corpus.corpus.texts), known_words())
        probabilities = corpus.probabilities
        columns = [probabilities[:, 0], probabilities.max(1), *described.values(), unknown]
        families = ["embedding", "prediction", "prediction", *("text" for _ in described), "vocabulary"]
        shares = signals.share_alpha(Counter(families), 1.0)
        return cls(corpus, np.array(columns, float), np.array([shares[family] for family in families]))

    def year(self, days: int, rng: Rng) -> tuple[Numbers, Numbers]:
        """Of each day: the smallest p-value over its test's share of alpha, and the smallest p-value."""
        drawn = rng.permutation(len(self.corpus))
        then, world = np.sort(drawn[:REFERENCE_ROWS]), drawn[REFERENCE_ROWS:]
        before = np.sort(self.columns[:, then], axis=1)
        found = np.empty((days, len(self.shares)))
        for day in range(days):
            now, seed = rng.choice(world, WINDOW, replace=False), int(rng.integers(1 << 31))
            found[day, 0] = self._embedding_p(then, now, seed)
            found[day, 1:] = [_ks_p(*pair) for pair in zip(before, np.sort(self.columns[:, now], axis=1), strict=True)]
            if day < CHECKED_DAYS:
                self._check(then, now, seed, found[day])
        return (found / self.shares).min(1), found.min(1)

    def _embedding_p(self, then: Rows, now: Rows, seed: int) -> float:
        rng = np.random.default_rng(seed)
        sides = [
            self.corpus.embeddings[rows[rng.choice(len(rows), EMBEDDING_ROWS, replace=False)]] for rows in (then, now)
        ]
        needed = max(POLICY.permutations, math.ceil(2 / (DAILY * self.shares[0])))
        return mmd(*sides, permutations=needed, rng=rng).p_value

    def _check(self, then: Rows, now: Rows, seed: int, mine: Numbers) -> None:
        sides = [side(self.corpus.take(rows), labelled=False) for rows in (then, now)]
        policy = POLICY.model_copy(update={"max_rows": EMBEDDING_ROWS})
        theirs = sorted(s.p_value for s in verdict(sides[0], sides[1], seed=seed, alpha=DAILY, policy=policy))
        if not np.allclose(sorted(mine), theirs, rtol=1e-6):
            raise AssertionError(f"find_signals says {theirs}, this script {sorted(mine)}")


_P_OF_GAP: dict[int, float] = {}


def _ks_p(then: Numbers, now: Numbers) -> float:
    """Of sorted numbers. The exact p-value depends on the largest gap of the CDFs alone, once the sizes are given."""
    both = np.concatenate([then, now])
    gaps = np.searchsorted(then, both, "right") * len(now) - np.searchsorted(now, both, "right") * len(then)
    gap = int(np.abs(gaps).max())
    if gap not in _P_OF_GAP:
        _P_OF_GAP[gap] = ks(then, now).p_value
    return _P_OF_GAP[gap]


def _table(counted: dict[str, list[int]], days: int, rng: Rng) -> Table:
    rows = []
    for name, alarms in counted.items():
        low, high = _interval(alarms, rng)
        quiet = sum(count == 0 for count in alarms)
        rows.append((name, f"{np.mean(alarms):.2f} [{low:.2f}, {high:.2f}]", str(max(alarms)),
                     share(quiet, len(alarms))))  # fmt: skip
    return Table(
        title="Alarms in a year",
        says=f"The mean number of false alarms in {days} days, its 95 % interval, the worst year, and the share of years "
             "without any.",
        columns=("rule", "alarms a year", "worst year", "years without an alarm"), rows=tuple(rows),
    )  # fmt: skip


def _interval(alarms: list[int], rng: Rng) -> tuple[float, float]:
    means = rng.choice(np.array(alarms, float), (RESAMPLES, len(alarms))).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main("drift_year", measure_years, runs=100, quick=2)
