"""Retraining: a candidate from the champion's weights, judged on rows that neither has trained on."""

from infra.object_store import ObjectStore
from models.contracts import Attempt, Release, TrainingSet
from models.spec import ModelSpec
from tasks.evaluation import evaluate
from tasks.finetuning import fine_tune
from tasks.gates import judge
from tasks.registry.versions import weights_of
from tasks.security.signing import require_signing_key


def retrain(spec: ModelSpec, champion: Release, training_set: TrainingSet, *, store: ObjectStore) -> Attempt:
    require_signing_key(store=store)
    parent = weights_of(champion.manifest, store=store)
    candidate = fine_tune(
        training_set, parent, parent_version=champion.version, training=spec.training, kind=spec.kind, store=store
    )
    scorecard = evaluate(training_set, parent, candidate.weights, kind=spec.kind, store=store)
    blessing = judge(scorecard, gates=spec.gates)
    return Attempt(training_set=training_set, candidate=candidate, scorecard=scorecard, blessing=blessing)
