"""How a benchmark is run, what it leaves behind, and how its numbers are put into words."""

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from scipy import stats

FOLDER = Path(__file__).parent / "results"
QUICK_FOLDER = Path(__file__).parent / ".cache" / "quick"
PACKAGES = ("numpy", "scipy", "torch", "transformers", "evidently", "rensa")


class Finding(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bar(Finding):
    """What was promised. `measured` is printed beside it, whether it was met or not."""

    promise: str
    measured: str
    met: bool

    def __str__(self) -> str:
        return f"{'met' if self.met else 'MISSED'}: {self.promise}; measured: {self.measured}"


class Table(Finding):
    """`says`: what one number of the table means, in a sentence."""

    title: str
    says: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Findings(Finding):
    question: str
    tables: tuple[Table, ...]
    bars: tuple[Bar, ...]
    notes: tuple[str, ...]
    """What a reader must know in order not to be misled: how draws overlap, what was left out, what is approximate."""


class Result(Finding):
    """A finished benchmark as it is stored: the findings, and what they were measured with."""

    benchmark: str
    date: str
    runs: int
    cores: int
    packages: dict[str, str]
    cpu_seconds: float
    wall_seconds: float
    findings: Findings

    @property
    def module(self) -> str:
        """`benchmark` may say more than that: `transfer-moto` is `benchmarks.transfer` on another server."""
        return self.benchmark.partition("-")[0]


@dataclass(frozen=True)
class Options:
    runs: int
    """Repetitions of a cell."""
    quick: bool
    """Few repetitions of a part of the cells, to see that the script works; its numbers are kept out of the docs."""


def main(name: str, measure: Callable[[Options], Findings], *, runs: int, quick: int) -> None:
    """A benchmark's command line: measures, prints, stores. `runs` and `quick` are the defaults of either mode."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name.partition('-')[0]}")
    parser.add_argument("--runs", type=int, help=f"repetitions of a cell (default {runs}, with --quick {quick})")
    parser.add_argument("--quick", action="store_true", help="a small version, whose numbers do not go into the docs")
    given = parser.parse_args()
    options = Options(given.runs or (quick if given.quick else runs), given.quick)
    began, cpu_began = time.perf_counter(), _cpu_seconds()
    findings = measure(options)
    result = Result(
        benchmark=name, date=datetime.now(UTC).date().isoformat(), runs=options.runs, cores=os.cpu_count() or 1,
        packages={"python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
        cpu_seconds=round(_cpu_seconds() - cpu_began), wall_seconds=round(time.perf_counter() - began),
        findings=findings,
    )  # fmt: skip
    say(render(result))
    store(result, QUICK_FOLDER if options.quick or (given.runs and given.runs < runs) else FOLDER)


def store(result: Result, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result.model_dump(mode="json"), indent=1, ensure_ascii=False)
    (folder / f"{result.benchmark}.json").write_text(text + "\n", encoding="utf-8")


def say(text: str) -> None:
    """To stdout at once: a benchmark takes minutes, and its reader waits."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


# --- as Markdown --------------------------------------------------------------------------------------------


def render(result: Result) -> str:
    """The findings as the docs show them."""
    findings = result.findings
    parts = [findings.question]
    parts += ["\n".join(f"- **{_verdict(bar)}** {bar.promise}: {bar.measured}" for bar in findings.bars)]
    parts += [f"**{table.title}.** {table.says}\n\n{_grid(table)}" for table in findings.tables]
    parts += ["\n".join(f"- {note}" for note in findings.notes)] if findings.notes else []
    parts += [
        f"`python -m benchmarks.{result.module}`: {result.date}, {result.runs} runs a cell unless the table says "
        f"otherwise, {result.cores} cores, {result.cpu_seconds:.0f} CPU-s."
    ]
    return "\n\n".join(part for part in parts if part)


def _verdict(bar: Bar) -> str:
    return "met" if bar.met else "MISSED"


def _grid(table: Table) -> str:
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# --- numbers in words ---------------------------------------------------------------------------------------


def clopper_pearson(hits: int, runs: int) -> tuple[float, float]:
    """The exact 95 % interval of a share (Clopper and Pearson, Biometrika 1934)."""
    found = stats.binomtest(hits, runs).proportion_ci(0.95, method="exact")
    return float(found.low), float(found.high)


def share(hits: int, runs: int) -> str:
    """A share of runs in per cent, with its exact 95 % interval."""
    low, high = clopper_pearson(hits, runs)
    return f"{100 * hits / runs:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def beyond_chance(cells: Sequence[tuple[str, int, int]], limit: float) -> list[str]:
    """The cells (name, hits, runs) whose share is above the limit by more than chance: exact binomial test, 5 % over
    all cells. The worst of many cells lies above its true rate by construction."""
    level = 0.05 / max(1, len(cells))
    return [name for name, hits, runs in cells if stats.binom.sf(hits - 1, runs, limit) < level]


def percent(hits: int, runs: int) -> str:
    return f"{100 * hits / runs:.0f} %"


def points(value: float) -> str:
    return f"{100 * value:.1f}"


def worst_of(rates: Sequence[tuple[str, float]]) -> str:
    """The largest of named shares, in per cent."""
    name, value = max(rates, key=lambda pair: pair[1])
    return f"{100 * value:.1f} % ({name})"


def _cpu_seconds() -> float:
    """Of this process and of those that it started and waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)
