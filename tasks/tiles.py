"""The numbers of a run that one looks for first."""

from dataclasses import dataclass

from models.contracts import Attempt, BootstrapReport, Measurement, Observation, RunReport, ValidationReport, Verdict
from tasks.formats import amount, count, duration, measurable, size, value, words


@dataclass(frozen=True)
class Tile:
    label: str
    value: str
    note: str


def taken_up(report: RunReport | BootstrapReport) -> bool:
    """Whether another process had begun the run: what is known of its stages is how long they took since. Every run reads
    its sources anew, and only its own reading is found done."""
    return any(stage.reused for stage in report.stages if stage.stage == "ingest")


def tiles(report: RunReport | BootstrapReport) -> tuple[Tile, ...]:
    if isinstance(report, BootstrapReport):
        first = report.measured[0]
        quality = Tile(words(first.metric), value(first.metric, first.estimate.value), _span(first))
        return _rows(report.validation, first.metric), quality, _cost(report), _version(report)
    seen = report.observation
    found = _looked(seen) if seen else _at_release(report)
    return (*found, *(_tried(report.attempt) if report.attempt else ()), _cost(report), _version(report))


def _at_release(report: RunReport) -> tuple[Tile, ...]:
    """Where nothing was looked at, what is known of the champion."""
    found = report.start.champion.manifest.deciding if report.start.champion else None
    if found is None:
        return ()
    return (Tile(f"{words(found.metric)} at release", value(found.metric, found.estimate.value), _span(found)),)


def _span(found: Measurement) -> str:
    low, high = (value(found.metric, end) for end in (found.estimate.low, found.estimate.high))
    return f"95 % interval {low} to {high}, {amount(found.estimate.n, 'sealed row')}"


def _rows(found: ValidationReport, metric: str | None) -> Tile:
    known, apart = f"{count(found.labelled)} {measurable(metric)}", f"{count(found.quarantined.rows)} quarantined"
    return Tile("rows", count(found.read), f"{known}, {apart}")


def _looked(seen: Observation) -> tuple[Tile, ...]:
    check, drift = seen.monitoring.deciding, seen.drift
    quality = (Tile(f"{words(check.metric)} now", value(check.metric, check.now.value),
                    f"{value(check.metric, check.at_release.value)} at release")
               if check else Tile("quality now", "not known", "no row has a label"))  # fmt: skip
    signals = Tile("drift signals", f"{sum(s.drifted for s in drift.signals)} of {len(drift.signals)}",
                   f"false alarms at most {100 * drift.alpha:.2g}% a run"
                   ) if drift.alpha else Tile("drift", "not judged", "too soon after the last run")  # fmt: skip
    return _rows(seen.validation, check.metric if check else None), quality, signals


def _tried(attempt: Attempt) -> tuple[Tile, ...]:
    gates, compared = attempt.blessing.gates, attempt.scorecard.deciding("current")
    passed = sum(g.verdict is Verdict.BLESSED for g in gates)
    warns = any(g.mode == "warn" for g in gates)
    needed = "one that only warns stops no release" if warns else "all must pass for a release"
    judged = Tile("gates passed", f"{passed} of {len(gates)}", needed)
    if compared is None:
        return (judged,)
    champion = value(compared.metric, compared.champion.value)
    note = f"{words(compared.metric)} on {amount(compared.candidate.n, 'sealed new row')}; champion {champion}"
    return Tile("candidate", value(compared.metric, compared.candidate.value), note), judged


def _cost(report: RunReport | BootstrapReport) -> Tile:
    candidate = report.candidate if isinstance(report, BootstrapReport) else report.attempt and report.attempt.candidate
    whole = duration(sum(s.seconds for s in report.stages))
    since = f"in its stages{' since it was taken up' if taken_up(report) else ''}; "
    if not candidate or not candidate.cost.trained:
        return Tile("cost", whole, f"{since}no training")
    cost = candidate.cost
    parts = " in all its parts" if cost.resumed_from_step else ""
    memory = f", {size(1e6 * cost.peak_memory_mb)} of memory" if cost.peak_memory_mb else ""
    return Tile("cost", whole, f"{since}training {duration(cost.seconds)}{parts} on {cost.device}{memory}")


def _version(report: RunReport | BootstrapReport) -> Tile:
    before = report.start.champion.version if report.start.champion else None
    if report.release:
        was = f"{before} → " if before else ""
        return Tile("champion", f"{was}{report.release.version}", "released by this run")
    return Tile("champion", str(before or "none"), "unchanged")
