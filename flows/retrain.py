"""Retraining: a candidate from the champion's weights, judged on rows that neither has trained on, and released."""

from datetime import UTC, datetime

from errors import OverBudget
from flows.promote import release_challenger
from infra.object_store import ObjectStore
from models.contracts import (
    Attempt,
    Budget,
    LabelRequest,
    Observation,
    Release,
    RetrainDecision,
    RunReport,
    RunStart,
    TrainingSet,
)
from models.spec import ModelSpec
from tasks.conclusion import conclude, stop_at_cap
from tasks.evaluation import evaluate
from tasks.finetuning import fine_tune
from tasks.gates import judge
from tasks.registry.versions import weights_of
from tasks.security.signing import require_signing_key


def retrain_and_release(
    spec: ModelSpec, start: RunStart, champion: Release, decision: RetrainDecision, seen: Observation,
    training_set: TrainingSet, *,
    budget: Budget, request: LabelRequest | None = None, store: ObjectStore,
) -> RunReport:  # fmt: skip
    """The run's report. A training that reaches its cap ends the run with an alert, and waits for a later one."""
    attempt, release, stopped = None, None, None
    try:
        attempt = retrain(spec, champion, training_set, budget=budget, store=store)
        release = release_challenger(spec, start, champion, seen, attempt, store=store)
    except OverBudget as over:
        stopped, decision = over.stopped, stop_at_cap(decision, over.stopped)
    return conclude(
        start, decision, window=seen.window, observation=seen, attempt=attempt, release=release, label_request=request,
        stopped=stopped, timings=store.timings, finished_at=datetime.now(UTC),
    )  # fmt: skip


def retrain(
    spec: ModelSpec, champion: Release, training_set: TrainingSet, *, budget: Budget, store: ObjectStore
) -> Attempt:
    """Raises OverBudget where the training reaches its cap."""
    require_signing_key(store=store)
    parent = weights_of(champion.manifest, store=store)
    candidate = fine_tune(
        training_set, parent,
        parent_version=champion.version, training=spec.training, kind=spec.kind, budget=budget, store=store,
    )  # fmt: skip
    scorecard = evaluate(training_set, parent, candidate.weights, kind=spec.kind, store=store)
    blessing = judge(scorecard, gates=spec.gates)
    return Attempt(training_set=training_set, candidate=candidate, scorecard=scorecard, blessing=blessing)
