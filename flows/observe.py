"""Observing: one window, from its rows to what the champion makes of them."""

from flows.score import score_somewhere
from infra.object_store import ObjectStore
from infra.workspace import Workspace
from models.contracts import MonitoringReport, Observation, Release, RunStart, Scored, Window
from models.spec import ModelSpec
from tasks.dataset import take_baseline
from tasks.drift import detect_drift
from tasks.estimation import estimate_without_labels
from tasks.faithful import check_faithfulness
from tasks.instruments import import_entailment
from tasks.monitoring import monitor_quality
from tasks.parting import part_rows
from tasks.registry.versions import weights_of, why_chosen
from tasks.validation import validate_rows


def observe(
    spec: ModelSpec, start: RunStart, champion: Release, window: Window, *, alpha: float, base: str, work: Workspace
) -> Observation:
    """Validates and scores the window, then holds it against the champion's baseline; `alpha` is what the drift
    verdict may spend of the year's false alarms. Paths in the spec are relative to `base`."""
    store, weights = work.store, weights_of(champion.manifest, store=work.store)
    validation = validate_rows(window, columns=spec.columns, kind=spec.kind, policy=spec.validation,
                               now=window.read_at, store=store)  # fmt: skip
    baseline = take_baseline(champion.manifest.reference, training=spec.training, store=store)
    baseline_scores = score_somewhere(spec, baseline, weights, of="the reference", work=work)
    scores = score_somewhere(spec, validation.kept, weights, of="the window", work=work)
    parts = part_rows(validation.kept, scores, store=store)
    then = Scored(rows=baseline, scores=baseline_scores)
    monitoring = _monitor(spec, champion, parts.measuring, then, base=base, store=store)
    drift = detect_drift(
        parts.fresh, then, champion.manifest.reference, kind=spec.kind,
        alpha=alpha, policy=spec.drift, training=spec.training, store=store,
    )  # fmt: skip
    return Observation(
        window=window, validation=validation, scores=scores, monitoring=monitoring, drift=drift,
        baseline_scores=baseline_scores,
    )  # fmt: skip


def _monitor(
    spec: ModelSpec, champion: Release, now: Scored, then: Scored, *, base: str, store: ObjectStore
) -> MonitoringReport:
    """How good the champion is by now: by labels, without them, and by whether its answers follow from their texts."""
    monitoring = monitor_quality(
        now.rows, now.scores, champion, then.scores,
        evidence=why_chosen(champion.manifest, store=store), kind=spec.kind, store=store,
    )  # fmt: skip
    monitoring = estimate_without_labels(
        monitoring, now.rows, now.scores, then.rows, then.scores, kind=spec.kind, store=store
    )
    return check_faithfulness(
        monitoring, now, then, entailment=import_entailment(spec.evaluation, base=base, store=store),
        kind=spec.kind, store=store,
    )  # fmt: skip
