"""Do the gates promote by luck, and do they let a better model through?

Every simulated retraining draws two models' answers on sealed rows, compares them with the real paired difference, and
asks the real `judge`. Answers are drawn from given shares (both right, only one right, neither), or are resampled from
what two really trained models said on real rows.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.champion import held_out
from benchmarks.corpus import SEED
from benchmarks.results import Bar, Findings, Options, Table, beyond_chance, main, share, worst_of
from models.contracts import Comparison, Estimate, Latency, Percentiles, Scorecard, Verdict
from models.gate_kinds import Better, Gate, NoCollapse, NotWorse
from tasks.gates import judge
from tasks.metrics.paired import paired_difference, rows_needed

Answers = NDArray[np.int64]
Rng = np.random.Generator
EQUAL = Better(name="better")
LEVEL = 0.025
NEAR_THE_BAR = 5
"""Times as many simulations where the truth lies so near to the bar that 2,000 would decide by chance."""
SLICES, SLICE_ROWS = 20, 50
_MS = Percentiles(p50=1, p95=1, p99=1, n=1)
_UNUSED = Estimate(value=0, low=0, high=1, n=1, method="not judged here")


@dataclass(frozen=True)
class Pair:
    """Rows × (truth, champion's answer, candidate's answer): label numbers of two labels."""

    truth: Answers
    champion: Answers
    candidate: Answers

    def take(self, rows: NDArray[np.int64]) -> "Pair":
        return Pair(self.truth[rows], self.champion[rows], self.candidate[rows])


@dataclass(frozen=True)
class Drawn:
    """Models whose accuracy differs by `gain`, and of which only one is right on `discordance` of the rows."""

    accuracy: float
    discordance: float
    gain: float = 0.0

    def __call__(self, rows: int, rng: Rng) -> Pair:
        gained, lost = (self.discordance + self.gain) / 2, (self.discordance - self.gain) / 2
        both = self.accuracy - lost
        neither = max(0.0, 1 - both - gained - lost)
        kinds = rng.choice(4, rows, p=[both, gained, lost, neither])
        truth = rng.integers(0, 2, rows)
        champion, candidate = np.isin(kinds, (0, 2)), np.isin(kinds, (0, 1))
        return Pair(truth, np.where(champion, truth, 1 - truth), np.where(candidate, truth, 1 - truth))


@dataclass(frozen=True)
class Resampled:
    """Real answers on real rows; which model gave which is drawn anew for every row, so that both are equally good."""

    pair: Pair

    def __call__(self, rows: int, rng: Rng) -> Pair:
        drawn = self.pair.take(rng.integers(0, len(self.pair.truth), rows))
        swap = rng.random(rows) < 0.5
        return Pair(drawn.truth, np.where(swap, drawn.candidate, drawn.champion),
                    np.where(swap, drawn.champion, drawn.candidate))  # fmt: skip


Draw = Callable[[int, Rng], Pair]


def measure_gates(options: Options) -> Findings:
    """`options.runs`: simulated retrainings of each cell."""
    rng = np.random.default_rng(SEED)
    equal = _equally_good(options, rng)
    better = _better_by_twice_the_margin(options, rng)
    forgetting = _forgetting(options, rng)
    return Findings(
        question="Do the gates promote by luck, and do they let a better model through?",
        tables=(equal.table, better.table, forgetting.table, _too_few_rows(options, rng), _slices(options, rng)),
        bars=(*equal.bars, *better.bars, *forgetting.bars),
        notes=(
            "The first table asks the `better` gate alone, since any further gate only stops more.",
            "Real answers: the champions that were fine-tuned on films and on tweets, on held-out rows; a row's two "
            "answers are swapped at random, which makes the models equally good and leaves the rows as they are.",
            "Enough rows: as many as `rows_needed` says for a power of 80 %.",
        ),
    )


@dataclass(frozen=True)
class _Part:
    table: Table
    bars: tuple[Bar, ...]


def _equally_good(options: Options, rng: Rng) -> _Part:
    sizes = (200, 1000) if options.quick else (50, 200, 1000, 5000)
    draws: dict[str, Draw] = {
        f"drawn: accuracy {a:.0%}, differ on {d:.0%}": Drawn(a, d) for a in (0.7, 0.9) for d in (0.02, 0.1, 0.2)
    }
    draws |= {name: Resampled(pair) for name, pair in _real_pairs(options).items()}
    f1 = Better(name="better", metric="macro_f1")
    few = max(1, options.runs // 4)
    asked = [("accuracy", name, EQUAL, options.runs) for name in draws]
    asked += [(f"macro F1 ({few} simulations)", name, f1, few) for name in (list(draws)[2], list(draws)[-1])]
    cells, rows = [], []
    for metric, name, gate, runs in asked:
        found = [_promoted(draws[name], n, gate, runs, rng) for n in sizes]
        cells += [(f"{metric}; {name}, {n} rows", hits, runs) for n, hits in zip(sizes, found, strict=True)]
        rows.append((f"{metric}; {name}", *(share(hits, runs) for hits in found)))
    table = Table(
        title="Two equally good models",
        says="How often the candidate was promoted although it is no better, with the exact 95 % interval.",
        columns=("models", *(f"{n} rows" for n in sizes)), rows=tuple(rows),
    )  # fmt: skip
    return _Part(table, _at_most(cells, "two equally good models are promoted"))


def _at_most(cells: list[tuple[str, int, int]], what: str) -> tuple[Bar, ...]:
    hits, runs = sum(h for _, h, _ in cells), sum(n for _, _, n in cells)
    beyond = beyond_chance(cells, LEVEL)
    return (
        Bar(promise=f"{what} in at most {LEVEL:.1%} of all simulations", met=hits <= LEVEL * runs,
            measured=f"{share(hits, runs)} of {runs:,}"),
        Bar(promise=f"and in no cell in more than {LEVEL:.1%} beyond chance", met=not beyond,
            measured=f"{', '.join(beyond) or 'none'} of {len(cells)} cells; "
                     f"most: {worst_of([(name, h / n) for name, h, n in cells])}"),
    )  # fmt: skip


def _better_by_twice_the_margin(options: Options, rng: Rng) -> _Part:
    rows, hits, rates, runs = [], 0, [], NEAR_THE_BAR * options.runs
    for margin, discordance in ((0.01, 0.05), (0.02, 0.1), (0.05, 0.2)):
        needed = rows_needed(2 * margin, discordance=discordance, limit=margin)
        gate = Better(name="better", margin=margin)
        found = _promoted(Drawn(0.85, discordance, 2 * margin), needed, gate, runs, rng)
        chance = _promoted(Drawn(0.85, discordance, margin), needed, gate, runs, rng)
        hits += found
        rates.append(found / runs)
        rows.append((f"{margin:.0%}", f"{discordance:.0%}", f"{needed:,}", share(found, runs),
                     share(chance, runs)))  # fmt: skip
    table = Table(
        title="A model that is better by twice the margin, with enough rows",
        says=f"How often it was promoted; and, beside it, one that is better by exactly the margin, which the gate is to "
             f"stop ({runs:,} simulations a cell).",
        columns=("margin", "models differ on", "rows", "better by twice the margin", "by the margin"),
        rows=tuple(rows),
    )  # fmt: skip
    total = len(rates) * runs
    promise = "a model better by twice the margin, with enough rows, is promoted in at least 80 %"
    measured = f"{share(hits, total)}, least {min(rates):.1%}"
    return _Part(table, (Bar(promise=promise, measured=measured, met=hits >= 0.8 * total),))


def _forgetting(options: Options, rng: Rng) -> _Part:
    rows, at_boundary = [], []
    gate = NotWorse(name="no-forgetting", on="current", tolerance=0.05)
    for discordance in (0.06, 0.1, 0.2):
        needed = rows_needed(0.0, discordance=discordance, limit=-gate.tolerance)
        cells = [_promoted(Drawn(0.85, discordance, -loss), needed, gate, options.runs, rng) for loss in (0, 0.05)]
        at_boundary.append((f"differ on {discordance:.0%}", cells[1], options.runs))
        rows.append((f"{discordance:.0%}", f"{needed:,}", *(share(c, options.runs) for c in cells)))
    table = Table(
        title="The forgetting gate (tolerance 5 points)",
        says="How often it lets a candidate through that lost nothing on the old rows, and one that lost the 5 points.",
        columns=("models differ on", "rows", "lost nothing", "lost 5 points"), rows=tuple(rows),
    )  # fmt: skip
    return _Part(table, _at_most(at_boundary, "a candidate that lost the tolerance passes the forgetting gate"))


def _too_few_rows(options: Options, rng: Rng) -> Table:
    rows = []
    for n in (50, 100, 200, 500, 1000, 2000, 4000):
        found = Counter(_verdict(Drawn(0.85, 0.1, 0.02)(n, rng), EQUAL) for _ in range(options.runs))
        rows.append((f"{n:,}", *(f"{100 * found[v] / options.runs:.1f} %"
                                 for v in (Verdict.BLESSED, Verdict.INSUFFICIENT, Verdict.REJECTED))))  # fmt: skip
    return Table(
        title="A model that is better by 2 points, and too few rows",
        says="What the `better` gate says (margin 0; the models differ on 10 % of the rows): too few rows are called "
             "that, and no rejection.",
        columns=("rows", "blessed", "insufficient evidence", "rejected"), rows=tuple(rows),
    )  # fmt: skip


def _slices(options: Options, rng: Rng) -> Table:
    """Equally good models on many slices: the correction over slices at work."""
    gate, level, runs = NoCollapse(), 1 - 0.05 / SLICES, max(1, options.runs // 4)
    rejected = 0
    for _ in range(runs):
        pairs = [Drawn(0.85, 0.2)(SLICE_ROWS, rng) for _ in range(SLICES)]
        compared = [_compared(p, f"slice:{i}", "accuracy", level) for i, p in enumerate(pairs)]
        rejected += _judged(compared, gate) is Verdict.REJECTED
    return Table(
        title="Slices",
        says="How often the collapse gate stops a candidate that is as good as the champion on every slice.",
        columns=("slices", "rows a slice", "simulations", "stopped"),
        rows=((str(SLICES), str(SLICE_ROWS), str(runs), share(rejected, runs)),),
    )  # fmt: skip


def _promoted(draw: Draw, rows: int, gate: Better | NotWorse, runs: int, rng: Rng) -> int:
    return sum(_verdict(draw(rows, rng), gate) is Verdict.BLESSED for _ in range(runs))


def _verdict(pair: Pair, gate: Better | NotWorse) -> Verdict:
    return _judged([_compared(pair, gate.on, gate.metric or "accuracy", 0.95)], gate)


def _compared(pair: Pair, on: str, metric: str, level: float) -> Comparison:
    difference = paired_difference(
        metric, pair.truth, pair.champion, pair.candidate, labels=2, seed=SEED, level=level
    )  # fmt: skip
    return Comparison(on=on, metric=metric, champion=_UNUSED, candidate=_UNUSED, difference=difference)


def _judged(compared: Sequence[Comparison], gate: Gate) -> Verdict:
    return judge.fn(scorecard(compared), gates=(gate,)).verdict


def scorecard(compared: Sequence[Comparison]) -> Scorecard:
    """For gates that look at comparisons alone."""
    return Scorecard(comparisons=tuple(compared), latency=Latency(champion=_MS, candidate=_MS), label_agreement=1.0)


def _real_pairs(options: Options) -> dict[str, Pair]:
    found = {}
    for name in ("films",) if options.quick else ("films", "products", "editorials"):
        first, second = held_out(name, home="films"), held_out(name, home="tweets")
        if first is None or second is None:
            continue
        both = sorted(set(first.corpus.texts) & set(second.corpus.texts))
        places = [{t: i for i, t in enumerate(scored.corpus.texts)} for scored in (first, second)]
        one, two = (s.take(np.array([p[t] for t in both])) for s, p in zip((first, second), places, strict=True))
        differ = float((one.right != two.right).mean())
        found[f"real answers: {name}, differ on {differ:.0%}"] = Pair(one.corpus.labels, one.answers, two.answers)
    return found


if __name__ == "__main__":
    main("gates", measure_gates, runs=2000, quick=200)
