"""The report on the run's Prefect page: the whole of it as Markdown, a picture, its tables, and where the page is."""

from pathlib import Path
from urllib.parse import urlsplit

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.context import FlowRunContext, TaskRunContext

from models.contracts import Asked, BootstrapReport, DriftReport, Pages, RunReport
from tasks.drift_plots import rank_signals
from tasks.formats import count, measured, p_value, percent, points, threshold, unit, words
from tasks.pages import rows_of
from tasks.picture import picture_of

Row = dict[str, str]
MEASURED = "The first champion on sealed rows, with 95 % intervals"
COMPARED = ("Champion and candidate on the same rows, with 95 % intervals, those of slices' differences corrected for their "
            "number")  # fmt: skip


def show_in_prefect(report: RunReport | BootstrapReport, pages: Pages, *, markdown: str, endpoint: str) -> None:
    """Artifacts under keys that begin with the model's name; outside a run there is no page to show them on."""
    if not (FlowRunContext.get() or TaskRunContext.get()):
        return
    model = report.start.model
    create_markdown_artifact(key=f"{model}-report", markdown=markdown, description=report.headline)
    create_link_artifact(
        key=f"{model}-page", link=address_of(pages, endpoint=endpoint), link_text="the report as a page, with plots",
        description=f"In the store: {pages.html.uri}. On the machine that made it: {pages.local_html}",
    )  # fmt: skip
    picture = picture_of(report) if isinstance(report, RunReport) else None
    if picture:
        create_markdown_artifact(key=f"{model}-picture", markdown=picture, description="What moved, and what changed")
    for name, (rows, description) in list_tables(report).items():
        if rows:
            create_table_artifact(key=f"{model}-{name}", table=rows, description=description)


def address_of(pages: Pages, *, endpoint: str) -> str:
    """A store on loopback is gone when the run has ended, and the file is on this machine; any other store stays."""
    local = urlsplit(endpoint).hostname in {"127.0.0.1", "::1", "localhost"}
    return Path(pages.local_html).resolve().as_uri() if local else pages.html.uri


def list_tables(report: RunReport | BootstrapReport) -> dict[str, tuple[list[Row], str]]:
    """Rows and a description by name; a table that a run did not call for has no rows."""
    run = report if isinstance(report, RunReport) else None
    attempt, seen = (run.attempt, run.observation) if run else (None, None)
    passed = f"Gates: {attempt.blessing.verdict}" if attempt else ""
    drift = _drift_in_words(seen.drift) if seen else ""
    return {
        "gates": (_gates(report), passed),
        "comparisons": (_comparisons(report), COMPARED if run else MEASURED),
        "drift": (_drift(report), drift),
        "samples": (_samples(run.asked if run else None), "Both models' answers to sealed rows, side by side"),
    }


def _gates(report: RunReport | BootstrapReport) -> list[Row]:
    gates = report.attempt.blessing.gates if isinstance(report, RunReport) and report.attempt else ()
    return [{"gate": g.called, "verdict": g.verdict.replace("_", " "), "because": g.because} for g in gates]


def _comparisons(report: RunReport | BootstrapReport) -> list[Row]:
    if isinstance(report, BootstrapReport):
        return [{"rows": m.on, "metric": words(m.metric), "n": count(m.estimate.n), "value": measured(m.estimate, m.metric)}
                for m in report.measured]  # fmt: skip
    compared = report.attempt.scorecard.comparisons if report.attempt else ()
    return [
        {"rows": rows_of(c), "metric": words(c.metric), "n": count(c.difference.n), "champion": measured(c.champion, c.metric),
         "candidate": measured(c.candidate, c.metric), "difference": f"{points(c.difference)} {unit(c.metric)}"}
        for c in compared
    ]  # fmt: skip


def _samples(asked: Asked | None) -> list[Row]:
    shown = asked.samples.shown if asked else ()
    labelled = any(s.label for s in shown)  # a language model's rows have none
    return [
        {"text": s.text, **({"label": s.label or ""} if labelled else {}), "champion": _sure(s.champion, s.champion_confidence),
         "candidate": _sure(s.candidate, s.candidate_confidence)}
        for s in shown
    ]  # fmt: skip


def _sure(answer: str, confidence: float | None) -> str:
    return answer if confidence is None else f"{answer} ({percent(confidence)})"


def _drift_in_words(drift: DriftReport) -> str:
    if not drift.alpha:
        return "Drift: not judged, too soon after the last run"
    return f"Drift: {'found' if drift.drifted else 'none'}, at alpha {drift.alpha:g}"


def _drift(report: RunReport | BootstrapReport) -> list[Row]:
    signals = report.observation.drift.signals if isinstance(report, RunReport) and report.observation else ()
    return [
        {"signal": s.name, "drifted": "yes" if s.drifted else "no", "effect": f"{s.effect_name} {s.effect:.3f}",
         "floor": f"{s.floor:g}", "p": p_value(s.p_value), "threshold": threshold(s.threshold), "test": s.method,
         "what moved": s.detail}
        for s in rank_signals(signals)
    ]  # fmt: skip
