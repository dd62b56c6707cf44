"""Renders a report from the templates beside this file: HTML with plots, and Markdown with the same as tables."""

import functools
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.contracts import Attempt, BootstrapReport, Comparison, Observation, RunReport, Scorecard, Verdict
from models.markdown import escaped
from models.measures import METRICS
from tasks import changes, charts, drift_plots, formats, plots
from tasks.judgements import tell_judgement
from tasks.summary import summarize
from tasks.tiles import taken_up, tiles

MOST_SLICES = 12
"""More slices, labels or files than these are folded away."""
WORDS = {
    Verdict.BLESSED: ("passed", "good", "✓"),
    Verdict.REJECTED: ("rejected", "bad", "✗"),
    Verdict.INSUFFICIENT: ("too little evidence", "wait", "?"),
}
ROWS = {"current": "new rows", "reference": "earlier rows"}


def render_html(report: RunReport | BootstrapReport) -> str:
    return environment(html=True).get_template("report.html.j2").render(**_view(report))


def render_markdown(report: RunReport | BootstrapReport) -> str:
    return environment(html=False).get_template("report.md.j2").render(**_view(report))


def rows_of(comparison: Comparison) -> str:
    """The rows that were compared, in words."""
    return ROWS.get(comparison.on, comparison.on.removeprefix("slice:"))


def _view(report: RunReport | BootstrapReport) -> dict[str, Any]:
    """What the templates work with; None and empty lists stand for what the run did not call for."""
    run, first = (report, None) if isinstance(report, RunReport) else (None, report)
    seen, attempt = (run.observation, run.attempt) if run else (None, None)
    looked, trained = seen or first, first or attempt
    check = seen.monitoring.deciding if seen else first.measured[0] if first else None
    return {
        "r": report, "run": run, "summary": summarize(report), "tiles": tiles(report), "most_slices": MOST_SLICES,
        "seen": seen, "attempt": attempt, "trained": trained,
        "window": looked.window if looked else None, "validation": looked.validation if looked else None,
        "measurable": formats.measurable(check.metric if check else None),
        "sources": changes.list_sources(report.start.cursor, looked.window.cursor) if looked else [],
        "leaks": trained.training_set.leaks.near if trained else 0,
        "weights": sum(f.bytes for f in trained.candidate.files) if trained else 0,
        "kept": charts.kept_step(trained.candidate.curve) if trained else None, "total": sum(s.seconds for s in report.stages),
        "taken_up": taken_up(report), **_told(first or (attempt.scorecard if attempt else None)),
        **_compared(first, attempt), **_observed(seen), **_changed(report),
    }  # fmt: skip


def _told(told: BootstrapReport | Scorecard | None) -> dict[str, Any]:
    """What models answered, beside how good they are."""
    if told is None:
        return {"confusion": None, "decisions": None, "decided": [], "variants": ()}
    labels = told.decisions.labels if told.decisions else ()
    return {
        "confusion": told.confusion, "decisions": told.decisions, "variants": told.variants,
        "decided": sorted(labels, key=lambda label: -label.most_wrong),
    }  # fmt: skip


def _compared(first: BootstrapReport | None, attempt: Attempt | None) -> dict[str, Any]:
    found, gates = (attempt.scorecard.comparisons, attempt.blessing.gates) if attempt else ((), ())
    limits = [plots.Limits.on(c, gates) for c in found]
    measured = [(m.metric, m.estimate) for m in first.measured] if first else [
        (c.metric, e) for c in found for e in (c.champion, c.candidate)]  # fmt: skip
    return {
        "counted_in": " or ".join(sorted({formats.unit(c.metric) for c in found}, reverse=True)),
        "overall": [c for c in found if not c.is_slice],
        "slices": sorted((c for c in found if c.is_slice), key=lambda c: c.difference.value),
        "values": plots.values_axis(
            [estimate for metric, estimate in measured if _is_drawn(metric)],
            [bound.at for c, limit in zip(found, limits, strict=True) if _is_drawn(c.metric) for bound in limit.value.values()],
        ),
        "differences": plots.differences_axis(
            [c for c in found if METRICS[c.metric].better != "neither"],
            [v for limit in limits for v in limit.difference.values()],
        ),
    }  # fmt: skip


def _observed(seen: Observation | None) -> dict[str, Any]:
    if seen is None:
        return {}
    now, signals = seen.monitoring, drift_plots.rank_signals(seen.drift.signals)
    return {
        "then_and_now": plots.values_axis(
            e for q in now.quality if _is_drawn(q.metric) for e in (q.at_release, q.now)
        ),
        "shares": sorted(now.shares, key=lambda s: -abs(s.predicted - s.predicted_at_release)),
        "shares_axis": plots.shares_axis(now.shares),
        "signals": signals, "surprise": drift_plots.surprise_axis(signals),
    }  # fmt: skip


def _changed(report: RunReport | BootstrapReport) -> dict[str, Any]:
    before = report.start.champion.manifest if report.start.champion else None
    if report.release is None:
        return {"before": before, "unchanged": changes.tell_unchanged(report)}
    return {
        "before": before, "changed": changes.list_changes(report.release, before),
        "files": changes.list_files(report.release, before), "lineage": changes.list_lineage(report.release),
    }  # fmt: skip


def _is_drawn(metric: str) -> bool:
    """On the scale that all values of a table share: an error of 3 % beside an accuracy of 95 % would leave no room."""
    return METRICS[metric].is_share and METRICS[metric].better != "less"


@functools.cache
def environment(*, html: bool) -> Environment:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=loader, autoescape=html, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True, keep_trailing_newline=True)  # fmt: skip
    environment.filters.update(
        pct=formats.percent, est=formats.measured, span=formats.span, pts=formats.points, p=formats.p_value, threshold=formats.threshold, count=formats.count,
        amount=formats.amount, digits=formats.digits, duration=formats.duration, size=formats.size, moment=formats.moment, cell=escaped,
        words=formats.words, judgement=tell_judgement, rows_of=rows_of, unit=formats.unit, loss=formats.loss, signed=formats.signed, limit=formats.whole_signed, verdict=lambda v: WORDS[v][0], tone=lambda v: WORDS[v][1],
        sign=lambda v: WORDS[v][2],
    )  # fmt: skip
    environment.filters["as"] = lambda number, metric: formats.value(metric, number)
    environment.filters["bound"] = lambda number, metric: formats.whole_value(metric, number)
    environment.filters["on_basis"] = lambda number, metric: formats.basis(metric, number)
    environment.tests.update(
        drawn=_is_drawn, share=lambda m: METRICS[m].is_share, lowered=lambda m: METRICS[m].better == "less",
        judged=lambda m: METRICS[m].better != "neither",
    )  # fmt: skip
    environment.globals.update(plots=plots, drift_plots=drift_plots, charts=charts)
    return environment
