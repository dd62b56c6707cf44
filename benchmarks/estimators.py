"""Accuracy estimated without labels, against the truth.

Each estimator is calibrated on labelled rows of the champion's own corpus that it never trained on, and asked about
windows of other corpora, of mixtures, of typing errors, of other shares of the classes, and of nothing new.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.champion import Scored, held_out, join, score
from benchmarks.corpus import SEED, Corpus
from benchmarks.perturb import with_typos
from benchmarks.results import Findings, Options, Table, main, share
from infra.progress import bar
from models.contracts import Estimate
from tasks.metrics.estimators import METHODS, estimate_right

HOMES = ("films", "tweets")
CALIBRATION = {"films": 2000, "tweets": 800}
WINDOW = 500
TYPO_ROWS = {"films": 3000, "tweets": 800}
OTHERS = ("films", "tweets", "products", "editorials")
Rows = NDArray[np.int64]
Rng = np.random.Generator
Window = Callable[[Rows, Rng], Scored]
"""(home rows that calibrated nothing, rng) → a window of `WINDOW` rows."""


@dataclass(frozen=True)
class Shift:
    home: str
    kind: str
    window: Window


@dataclass(frozen=True)
class Judged:
    shift: Shift
    truth: float
    usual: float
    """The champion's accuracy on the rows that calibrated."""
    estimates: dict[str, Estimate]


def measure_estimators(options: Options) -> Findings:
    """`options.runs`: windows of each shift."""
    rng, judged = np.random.default_rng(SEED), list[Judged]()
    for home in HOMES[:1] if options.quick else HOMES:
        own = held_out(home, home=home)
        if own is None:
            raise AssertionError(f"{home} are always there")
        shifts = list(_shifts(home, own, options))
        with bar(f"windows of the champion of {home}", total=len(shifts) * options.runs, unit="windows") as advance:
            for shift in shifts:
                judged += [_judge(shift, own, rng) for _ in range(options.runs)]
                advance(options.runs)
    kinds = dict.fromkeys((j.shift.home, j.shift.kind) for j in judged)
    groups = [[j for j in judged if (j.shift.home, j.shift.kind) == kind] for kind in kinds]
    shifted = [j for j in judged if j.shift.kind != _NOTHING]
    return Findings(
        question="How far is an accuracy that was estimated without labels from the truth?",
        tables=(_overall(shifted, options), _by_shift(groups)),
        bars=(),
        notes=(
            "No bar: the number is shown so that nobody takes an estimate for a measurement. Upkeep shows estimates as "
            "extra alarms and decides on labels.",
            f"Windows of {WINDOW} rows; calibration on {', '.join(f'{n:,} {h}' for h, n in CALIBRATION.items())} that "
            "never trained, drawn anew for every window. The truth is the champion's accuracy on the window's labels.",
            "“Holds the truth”: how often the stated 95 % interval contains the window's own accuracy; 95 % would be "
            "right. It is less even where nothing changed: the interval leaves out the chance of which of the window's "
            "rows are right, and it cannot know that confidence may mean something else now.",
        ),
    )  # fmt: skip


def _judge(shift: Shift, own: Scored, rng: Rng) -> Judged:
    drawn = rng.permutation(len(own))
    calibration = own.take(drawn[: CALIBRATION[shift.home]])
    window = shift.window(drawn[CALIBRATION[shift.home] :], rng)
    estimates: dict[str, Estimate] = {
        m: estimate_right(m, calibration.probabilities.max(1), calibration.right, window.probabilities.max(1), rng)
        for m in METHODS
    }
    return Judged(shift, float(window.right.mean()), float(calibration.right.mean()), estimates)


# --- the shifts ---------------------------------------------------------------------------------------------

_NOTHING = "nothing changed"


def _shifts(home: str, own: Scored, options: Options) -> Iterator[Shift]:
    yield Shift(home, _NOTHING, lambda rows, rng: own.take(rows[:WINDOW]))
    for name in OTHERS:
        other = held_out(name, home=home) if name != home else None
        if other is not None:
            yield Shift(home, f"{name}, 30 %", _mixed(own, other, 0.3))
            yield Shift(home, f"{name}, 100 %", _mixed(own, other, 1.0))
    yield Shift(home, "80 % positive", _shifted(own, 0.8))
    yield Shift(home, "80 % negative", _shifted(own, 0.2))
    for amount in (0.1,) if options.quick else (0.1, 0.3):
        yield Shift(home, f"typing errors in {amount:.0%} of the words", _with_typos(home, own, amount))


def _mixed(own: Scored, other: Scored, amount: float) -> Window:
    foreign = round(amount * WINDOW)

    def window(rows: Rows, rng: Rng) -> Scored:
        there = other.take(rng.choice(len(other), foreign, replace=False))
        return join(own.take(rows[: WINDOW - foreign]), there)

    return window


def _shifted(own: Scored, positive: float) -> Window:
    """The class that the calibration left too few rows of repeats some."""
    wanted = round(positive * WINDOW)

    def window(rows: Rows, rng: Rng) -> Scored:
        labels = own.corpus.labels[rows]
        chosen = [np.resize(rows[labels == label], n) for label, n in ((1, wanted), (0, WINDOW - wanted))]
        return own.take(np.concatenate(chosen))

    return window


def _with_typos(home: str, own: Scored, amount: float) -> Window:
    rng, first = np.random.default_rng(SEED), len(own) - TYPO_ROWS[home]
    texts = [with_typos(text, amount, rng) for text in own.corpus.texts[first:]]
    typed = score(Corpus(f"{home}-typos-{amount:g}", texts, own.corpus.labels[first:]), home=home)

    def window(rows: Rows, rng: Rng) -> Scored:
        return typed.take(rng.choice(len(typed), WINDOW, replace=False))

    return window


# --- what came out ------------------------------------------------------------------------------------------


def _overall(judged: list[Judged], options: Options) -> Table:
    rows: list[tuple[str, ...]] = []
    for method in METHODS:
        errors = np.array([j.estimates[method].value - j.truth for j in judged])
        worst = judged[int(np.argmax(np.abs(errors)))]
        held = sum(j.estimates[method].low <= j.truth <= j.estimates[method].high for j in judged)
        rows.append((method, f"{100 * np.abs(errors).mean():.1f} points", f"{100 * np.abs(errors).max():.1f} points "
                     f"({worst.shift.home} → {worst.shift.kind})", f"{100 * errors.mean():+.1f} points",
                     share(held, len(judged))))  # fmt: skip
    same = np.array([j.usual - j.truth for j in judged])
    rows.append(("“as at release”", f"{100 * np.abs(same).mean():.1f} points", f"{100 * np.abs(same).max():.1f} points",
                 f"{100 * same.mean():+.1f} points", ""))  # fmt: skip
    return Table(
        title="All shifted windows",
        says=f"How far the estimated accuracy was from the true one, over {len(judged)} shifted windows; the last row is "
             "the guess that nothing changed.",
        columns=("method", "mean error", "worst error", "on average too high by", "interval holds the truth"),
        rows=tuple(rows),
    )  # fmt: skip


def _by_shift(groups: list[list[Judged]]) -> Table:
    rows = []
    for group in groups:
        mean = [float(np.mean([j.estimates[m].value for j in group])) for m in METHODS]
        held = [sum(j.estimates[m].low <= j.truth <= j.estimates[m].high for j in group) / len(group) for m in METHODS]
        truth, usual = (float(np.mean([getattr(j, f) for j in group])) for f in ("truth", "usual"))
        rows.append((group[0].shift.home, group[0].shift.kind, f"{usual:.1%}", f"{truth:.1%}",
                     *(f"{m:.1%} ({h:.0%})" for m, h in zip(mean, held, strict=True))))  # fmt: skip
    return Table(
        title="By shift",
        says="The champion's true accuracy at release and now, and what each method said it is (in brackets: how often "
             "its interval held the truth); means over the windows.",
        columns=("champion of", "window", "at release", "now", *METHODS), rows=tuple(rows),
    )  # fmt: skip


if __name__ == "__main__":
    main("estimators", measure_estimators, runs=30, quick=4)
