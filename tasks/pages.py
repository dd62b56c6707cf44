"""Renders a report from the templates beside this file."""

import functools
import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.contracts import BootstrapReport, Comparison, Estimate, RunReport, Verdict

WORDS = {
    Verdict.BLESSED: "passed",
    Verdict.REJECTED: "rejected",
    Verdict.INSUFFICIENT: "too little evidence",
}


def render_html(report: RunReport | BootstrapReport) -> str:
    return _environment(html=True).get_template("report.html.j2").render(**_view(report))


def render_markdown(report: RunReport | BootstrapReport) -> str:
    return _environment(html=False).get_template("report.md.j2").render(**_view(report))


def _view(report: RunReport | BootstrapReport) -> dict[str, Any]:
    run = report if isinstance(report, RunReport) else None
    compared = run.attempt.scorecard.comparisons if run and run.attempt else ()
    return {
        "r": report, "run": run, "outcome": run.outcome if run else "bootstrapped",
        "attempt": run.attempt if run else None, "seen": run.observation if run else None,
        "comparisons": compared, "scale": Scale(compared),
        "validation": run.observation.validation if run and run.observation else getattr(report, "validation", None),
        "trained": _trained(report),
    }  # fmt: skip


def _trained(report: RunReport | BootstrapReport) -> Any:
    """What has a training set and a candidate: the report of a bootstrap, or a run's attempt, if any."""
    return report if isinstance(report, BootstrapReport) else report.attempt


class Scale:
    """Places differences on a shared axis, in per cent of its width; wide enough for every interval and for zero."""

    def __init__(self, comparisons: tuple[Comparison, ...]) -> None:
        ends = [abs(e) for c in comparisons for e in (c.difference.low, c.difference.high)]
        self.limit = max([0.01, *ends]) * 1.05

    def at(self, difference: float) -> str:
        return f"{50 + 50 * difference / self.limit:.2f}"

    @property
    def label(self) -> str:
        return f"±{100 * self.limit:.0f} points"


@functools.cache
def _environment(*, html: bool) -> Environment:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=loader, autoescape=html, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True)  # fmt: skip
    environment.filters.update(pct=_percent, est=_estimate, pts=_points, p=_p_value, word=WORDS.get, cell=_cell)
    return environment


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _estimate(estimate: Estimate) -> str:
    return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}]"


def _points(estimate: Estimate) -> str:
    return f"{100 * estimate.value:+.1f} [{100 * estimate.low:+.1f}, {100 * estimate.high:+.1f}]"


def _p_value(p: float) -> str:
    if p < 1e-16:
        return "< 1e-16"
    return f"{p:.1e}" if p < 0.001 else f"{p:.{2 - math.floor(math.log10(p)) if p < 0.1 else 2}f}"


def _cell(text: object) -> str:
    """Text that may come from a row, as it can stand in a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
