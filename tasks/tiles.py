"""The numbers of a run that one looks for first."""

from dataclasses import dataclass

from models.contracts import Attempt, BootstrapReport, Estimate, Observation, RunReport, Verdict
from tasks.formats import amount, count, duration, percent, size
from tasks.summary import accuracy_check, first_accuracy


@dataclass(frozen=True)
class Tile:
    label: str
    value: str
    note: str


def tiles(report: RunReport | BootstrapReport) -> tuple[Tile, ...]:
    if isinstance(report, BootstrapReport):
        accuracy = first_accuracy(report)
        quality = Tile("accuracy", percent(accuracy.value), _span(accuracy))
        return (_rows(report.validation.read, report.validation.labelled, report.validation.quarantined.rows), quality,
                _cost(report), _version(report))  # fmt: skip
    seen = report.observation
    found = _looked(seen) if seen else _at_release(report)
    return (*found, *(_tried(report.attempt) if report.attempt else ()), _cost(report), _version(report))


def _at_release(report: RunReport) -> tuple[Tile, ...]:
    """Where nothing was looked at, what is known of the champion."""
    measured = report.start.champion.manifest.measured if report.start.champion else ()
    accuracy = [m.estimate for m in measured if (m.on, m.metric) == ("current", "accuracy")]
    return tuple(Tile("accuracy at release", percent(e.value), _span(e)) for e in accuracy)


def _span(estimate: Estimate) -> str:
    rows = amount(estimate.n, "sealed row")
    return f"95 % interval {percent(estimate.low)} to {percent(estimate.high)}, {rows}"


def _rows(read: int, labelled: int, quarantined: int) -> Tile:
    return Tile("rows", count(read), f"{count(labelled)} labelled, {count(quarantined)} quarantined")


def _looked(seen: Observation) -> tuple[Tile, ...]:
    check, drift, checked = accuracy_check(seen.monitoring), seen.drift, seen.validation
    quality = (Tile("accuracy now", percent(check.now.value), f"{percent(check.at_release.value)} at release")
               if check else Tile("accuracy now", "not known", "no row has a label"))  # fmt: skip
    signals = Tile("drift signals", f"{sum(s.drifted for s in drift.signals)} of {len(drift.signals)}",
                   f"false alarms at most {100 * drift.alpha:.2g} % a run")  # fmt: skip
    return _rows(checked.read, checked.labelled, checked.quarantined.rows), quality, signals


def _tried(attempt: Attempt) -> tuple[Tile, ...]:
    gates, compared = attempt.blessing.gates, attempt.scorecard.of("current", "accuracy")
    passed = sum(g.verdict is Verdict.BLESSED for g in gates)
    judged = Tile("gates passed", f"{passed} of {len(gates)}", "all must pass for a release")
    if compared is None:
        return (judged,)
    note = f"accuracy on {amount(compared.candidate.n, 'sealed new row')}; champion {percent(compared.champion.value)}"
    return Tile("candidate", percent(compared.candidate.value), note), judged


def _cost(report: RunReport | BootstrapReport) -> Tile:
    candidate = report.candidate if isinstance(report, BootstrapReport) else report.attempt and report.attempt.candidate
    whole = duration(sum(s.seconds for s in report.stages))
    if not candidate or not candidate.cost.steps:
        return Tile("cost", whole, "no training")
    cost = candidate.cost
    note = f"training {duration(cost.seconds)} on {cost.device}, {size(1e6 * cost.peak_memory_mb)} of memory"
    return Tile("cost", whole, note)


def _version(report: RunReport | BootstrapReport) -> Tile:
    before = report.start.champion.version if report.start.champion else None
    if report.release:
        was = f"{before} → " if before else ""
        return Tile("champion", f"{was}{report.release.version}", "released by this run")
    return Tile("champion", str(before or "none"), "unchanged")
