"""What a run tells the world: Prefect events, on which automations and serving systems can act.

An event may be told twice (a run that is killed just before its end tells it again), always with the same id: a
consumer that remembers ids acts once. Prefect's own server keeps one of them.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.context import FlowRunContext, TaskRunContext
from prefect.events import Event, emit_event

from models.contracts import Estimate, Manifest, Outcome, Release, RunReport, Window

WINDOW, DRIFT, QUALITY, LABELS, STOPPED, APPROVAL = (
    "upkeep.window.ingested", "upkeep.drift.detected", "upkeep.quality.degraded", "upkeep.labels.requested",
    "upkeep.training.stopped", "upkeep.approval.requested",
)  # fmt: skip
PUBLISHED, PROMOTED, ROLLED_BACK = (
    "upkeep.release.published", "upkeep.release.promoted", "upkeep.release.rolled-back",
)  # fmt: skip
DEPLOYED = "upkeep.model.deployed"
CALLS_FOR = {Outcome.WOULD_RETRAIN: "training", Outcome.ALERTED: "a-person", Outcome.PUBLISHED: "a-person"}
"""By what has come of a run: what its events call for, as the label `upkeep.calls-for` of their resource."""
_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "upkeep/events")


@dataclass(frozen=True)
class Told:
    """An event before it is sent."""

    name: str
    model: str
    run_id: str
    window_digest: str
    payload: dict[str, Any]
    calls_for: str = "nothing"

    @property
    def id(self) -> uuid.UUID:
        """The same for the same thing, however often it is told. A run that was killed behind its release and trained anew
        tells of another version."""
        about = (self.name, self.model, self.run_id, self.window_digest, str(self.payload.get("version", "")))
        return uuid.uuid5(_IDS, "/".join(about))


def emit_events(report: RunReport, window: Window) -> None:
    """Everything that a finished run has to tell; nothing outside a Prefect run."""
    for told in events_of(report, window):
        _emit(told)


def emit_move(release: Release, kind: str) -> None:
    """That the alias names another version, for the runs that move it without a report of their own kind."""
    _emit(move(release, ROLLED_BACK if kind == "rollback" else PROMOTED))


def emit_publication(manifest: Manifest, run_id: str) -> None:
    """That there is a new version, whether or not it becomes champion."""
    _emit(publication(manifest, run_id))


def post_deployed(model: str, maintain: str, *, client: SyncPrefectClient) -> None:
    """That a model is under the server's care, in the name of its deployment of `maintain`: from here on a run is waited for."""
    told = Event(
        event=DEPLOYED,
        resource={"prefect.resource.id": f"upkeep.model.{model}", "prefect.resource.name": model},
        related=[{"prefect.resource.id": f"prefect.deployment.{maintain}", "prefect.resource.role": "deployment"}],
    )
    client.request("POST", "/events", json=[told.model_dump(mode="json")])


def events_of(report: RunReport, window: Window) -> list[Told]:
    """A run that went on with a training tells nothing of what the run before it saw and told."""
    found = [] if report.went_on_from else _seen(report, window)
    if report.stopped:
        found.append((STOPPED, report.stopped.model_dump(exclude={"schema_version"})))
    if report.asked:
        asked = report.asked.request
        found.append((APPROVAL, {"version": asked.version, "champion_version": asked.champion_version,
                                 "expires_at": asked.expires_at.isoformat(), "samples": asked.samples.uri}))  # fmt: skip
    calls_for = CALLS_FOR.get(report.outcome, "nothing")
    told = [Told(name, report.start.model, report.start.run_id, window.table.sha256, {**payload,
                 "outcome": report.outcome, "headline": report.headline}, calls_for) for name, payload in found]  # fmt: skip
    return [*told, move(report.release, PROMOTED)] if report.release else told


def _seen(report: RunReport, window: Window) -> list[tuple[str, dict[str, Any]]]:
    decision, seen, request = report.decision, report.observation, report.label_request
    found: list[tuple[str, dict[str, Any]]] = []
    if seen:
        found.append(
            (WINDOW, {"rows": window.rows, "kept": seen.validation.kept.rows, "labelled": seen.validation.labelled})
        )
    if decision and decision.drifted and seen:
        moved = [s.name for s in seen.drift.signals if s.drifted]
        found.append((DRIFT, {"signals": moved, "alpha": seen.drift.alpha}))
    if decision and decision.degraded and seen:
        fell = {c.metric: {"now": _numbers(c.now), "at_release": _numbers(c.at_release), "p_value": c.p_value}
                for c in seen.monitoring.quality}  # fmt: skip
        found.append((QUALITY, fell))
    if request:
        found.append((LABELS, {"rows": request.rows, "csv": request.csv.uri, "jsonl": request.jsonl.uri,
                               "local_csv": request.local_csv, "power": request.power, "drop": request.drop}))  # fmt: skip
    return found


def move(release: Release, name: str) -> Told:
    entry = release.entry
    return Told(name, release.manifest.model, entry.run_id, release.manifest.lineage.window_digest, {
        "alias": entry.alias, "version": entry.version, "previous_version": entry.previous_version,
        "generation": entry.generation, "why": entry.why, "content_digest": release.manifest.content_digest,
    })  # fmt: skip


def publication(manifest: Manifest, run_id: str) -> Told:
    return Told(PUBLISHED, manifest.model, run_id, manifest.lineage.window_digest, {
        "version": manifest.version, "parent": manifest.parent, "content_digest": manifest.content_digest,
    })  # fmt: skip


def _numbers(estimate: Estimate) -> dict[str, float]:
    return estimate.model_dump(include={"value", "low", "high", "n"})


def _emit(told: Told) -> None:
    if not (FlowRunContext.get() or TaskRunContext.get()):
        return
    run = {"prefect.resource.id": f"upkeep.run.{told.run_id}", "prefect.resource.role": "upkeep-run"}
    model = {"prefect.resource.id": f"upkeep.model.{told.model}", "prefect.resource.name": told.model,
             "upkeep.window": told.window_digest, "upkeep.calls-for": told.calls_for}  # fmt: skip
    emit_event(
        told.name, resource=model, related=[run], id=told.id,
        payload={**told.payload, "model": told.model, "run_id": told.run_id, "window_digest": told.window_digest},
    )  # fmt: skip
