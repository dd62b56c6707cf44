"""What a run tells the world: Prefect events, on which automations and serving systems can act.

An event may be told twice (a run that is killed just before its end tells it again), always with the same id: a
consumer that remembers ids acts once. Prefect's own server keeps one of them.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from prefect.context import FlowRunContext, TaskRunContext
from prefect.events import emit_event

from models.contracts import Estimate, Release, RunReport, Window

DRIFT, QUALITY, LABELS, APPROVAL, PROMOTED = (
    "upkeep.drift.detected", "upkeep.quality.degraded", "upkeep.labels.requested", "upkeep.approval.requested",
    "upkeep.release.promoted",
)  # fmt: skip
_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "upkeep/events")


@dataclass(frozen=True)
class Told:
    """An event before it is sent."""

    name: str
    model: str
    run_id: str
    window_digest: str
    payload: dict[str, Any]

    @property
    def id(self) -> uuid.UUID:
        """The same for the same thing, however often it is told."""
        return uuid.uuid5(_IDS, "/".join((self.name, self.model, self.run_id, self.window_digest)))


def emit_events(report: RunReport, window: Window) -> None:
    """Everything that a finished run has to tell; nothing outside a Prefect run."""
    for told in events_of(report, window):
        _emit(told)


def emit_promotion(release: Release) -> None:
    """That the alias names another version, for the runs that move it without a report of their own kind."""
    _emit(promotion(release))


def events_of(report: RunReport, window: Window) -> list[Told]:
    decision, request = report.decision, report.label_request
    found: list[tuple[str, dict[str, Any]]] = []
    if decision and decision.drifted and report.observation:
        moved = [s.name for s in report.observation.drift.signals if s.drifted]
        found.append((DRIFT, {"signals": moved, "alpha": report.observation.drift.alpha}))
    if decision and decision.degraded and report.observation:
        fell = {c.metric: {"now": _numbers(c.now), "at_release": _numbers(c.at_release), "p_value": c.p_value}
                for c in report.observation.monitoring.quality}  # fmt: skip
        found.append((QUALITY, fell))
    if request:
        found.append((LABELS, {"rows": request.rows, "csv": request.csv.uri, "jsonl": request.jsonl.uri,
                               "local_csv": request.local_csv, "power": request.power, "drop": request.drop}))  # fmt: skip
    if report.asked:
        asked = report.asked.request
        found.append((APPROVAL, {"version": asked.version, "champion_version": asked.champion_version,
                                 "expires_at": asked.expires_at.isoformat(), "samples": asked.samples.uri}))  # fmt: skip
    told = [Told(name, report.start.model, report.start.run_id, window.table.sha256, {**payload,
                 "outcome": report.outcome, "headline": report.headline}) for name, payload in found]  # fmt: skip
    return [*told, promotion(report.release)] if report.release else told


def promotion(release: Release) -> Told:
    entry = release.entry
    return Told(PROMOTED, release.manifest.model, entry.run_id, release.manifest.lineage.window_digest, {
        "alias": entry.alias, "version": entry.version, "previous_version": entry.previous_version,
        "generation": entry.generation, "why": entry.why, "content_digest": release.manifest.content_digest,
    })  # fmt: skip


def _numbers(estimate: Estimate) -> dict[str, float]:
    return estimate.model_dump(include={"value", "low", "high", "n"})


def _emit(told: Told) -> None:
    if not (FlowRunContext.get() or TaskRunContext.get()):
        return
    run = {"prefect.resource.id": f"upkeep.run.{told.run_id}", "prefect.resource.role": "upkeep-run"}
    model = {"prefect.resource.id": f"upkeep.model.{told.model}", "prefect.resource.name": told.model}
    emit_event(
        told.name, resource=model, related=[run], id=told.id,
        payload={**told.payload, "model": told.model, "run_id": told.run_id, "window_digest": told.window_digest},
    )  # fmt: skip
