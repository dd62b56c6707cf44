"""Champion and candidate on the same rows, which neither has trained on; what is measured is what is served."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.object_store import ObjectStore
from infra.progress import bar
from infra.stages import once
from models.adapter import ROWS_AT_ONCE, Predictions, TaskAdapter, load_model, quietly
from models.contracts import (
    Comparison,
    Latency,
    Measured,
    Measurement,
    ModelKind,
    Scorecard,
    Table,
    TrainingSet,
    Variant,
    Weights,
)
from models.rows import SLICE
from tasks.entailment import entails_by
from tasks.grading import Grades, confusion_of, decisions_of, grade
from tasks.metrics.faithfulness import Entails
from tasks.outputs import request_ms, true_labels
from tasks.simplest import simplest_answers
from tasks.timing import time_in_turn
from tasks.variants import Full, check_variants

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

MAX_SLICES = 50


@dataclass(frozen=True)
class _Judged:
    """Rows of one kind with what both models' answers are worth."""

    rows: "pd.DataFrame"
    champion: Grades
    candidate: Grades
    numbers: "NDArray[np.float32]"
    """The candidate's outputs, which its variants are held against."""

    def where(self, mask: np.ndarray) -> "_Judged":
        return _Judged(self.rows[mask], self.champion.where(mask), self.candidate.where(mask), self.numbers[mask])

    def without(self, other: "_Judged") -> "_Judged":
        """The rows whose text is not among the others': one that came again is one row, and not two that agree."""
        return self.where(~self.rows["content"].isin(other.rows["content"]).to_numpy(bool))

    def joined(self, other: "_Judged") -> "_Judged":
        """With the columns of these rows: the others may be of a spec that named other slices."""
        import pandas as pd

        others = other.rows[[name for name in other.rows if name in self.rows]]
        return _Judged(pd.concat([self.rows, others]), self.champion.joined(other.champion),
                       self.candidate.joined(other.candidate), np.concatenate([self.numbers, other.numbers]))  # fmt: skip


@task(name="evaluate", cache_policy=NO_CACHE)
@once("evaluate")
def evaluate(
    training_set: TrainingSet, champion: Weights, candidate: Weights, *, variants: tuple[Variant, ...] = (),
    kind: ModelKind, entailment: Weights | None = None, store: ObjectStore,
) -> Scorecard:  # fmt: skip
    """Every metric on the current and the reference window's sealed rows, and per slice of both what says which is
    better; and whether the candidate's variants answer all those rows as it does. With a model of `entailment`,
    faithfulness too."""
    old, new = (_load(w, kind, store) for w in (champion, candidate))
    entails = entails_by(entailment, store) if entailment else None
    current, reference = (
        _judged(table, old, new, kind, entails, store) for table in (training_set.test, training_set.reference_test)
    )
    both = current.joined(reference.without(current))
    overall = [
        _compare(judged, on, metric, level=0.95)
        for on, judged in (("current", current), ("reference", reference)) for metric in _metrics(kind, entails)
        if len(judged.rows)
    ]  # fmt: skip
    slices = _slices(both, kind)
    level = 1 - 0.05 / max(1, len(slices))
    sliced = [_compare(part, on, kind.metrics[0], level=level) for on, part in slices.items()]
    agrees = kind.truth == "label" and len(current.rows)
    models: dict[str, Grades] = {"champion": current.champion, "candidate": current.candidate}
    texts = both.rows["text"].tolist()
    return Scorecard(
        comparisons=(*overall, *sliced), latency=_latency(old, new, texts, kind),
        label_agreement=current.champion.measure("accuracy").value if agrees else None,
        confusion=confusion_of(models, kind), decisions=decisions_of(models, kind),
        variants=check_variants(variants, Full(new, candidate, both.numbers), texts, kind=kind, store=store),
    )  # fmt: skip


@task(name="measure", cache_policy=NO_CACHE)
@once("measure")
def measure_release(
    training_set: TrainingSet, weights: Weights, *, variants: tuple[Variant, ...] = (), kind: ModelKind,
    entailment: Weights | None = None, store: ObjectStore,
) -> Measured:  # fmt: skip
    """A first champion on its sealed rows, beside the simplest that it must beat, and its variants on the same."""
    import pandas as pd

    rows = pd.read_parquet(store.get_file(training_set.test))
    model, entails = _load(weights, kind, store), entails_by(entailment, store) if entailment else None
    answers = _answers(model, rows, "champion")
    grades = grade(rows, answers, kind, entails=entails)
    found = tuple(Measurement(on="current", metric=m, estimate=grades.measure(m)) for m in _metrics(kind, entails))
    simplest = simplest_answers(rows, kind)
    return Measured(measurements=found, to_beat=simplest.score, simplest=simplest.words,
                    confusion=confusion_of({"champion": grades}, kind),
                    decisions=decisions_of({"champion": grades}, kind),
                    variants=check_variants(variants, Full(model, weights, answers.numbers), rows["text"].tolist(),
                                            kind=kind, store=store))  # fmt: skip


def _load(weights: Weights, kind: ModelKind, store: ObjectStore) -> TaskAdapter:
    folder = store.get_folder(weights.prefix, weights.files)
    return load_model(folder, kind.without_embeddings, keys=store.api_keys)


def _metrics(kind: ModelKind, entails: Entails | None) -> tuple[str, ...]:
    return (*kind.metrics, "faithfulness") if entails else kind.metrics


def _judged(
    table: Table, champion: TaskAdapter, candidate: TaskAdapter, kind: ModelKind, entails: Entails | None,
    store: ObjectStore,
) -> _Judged:  # fmt: skip
    import pandas as pd

    rows = pd.read_parquet(store.get_file(table))
    old, new = (_answers(model, rows, who) for who, model in (("champion", champion), ("candidate", candidate)))
    before, after = (grade(rows, found, kind, entails=entails) for found in (old, new))
    return _Judged(rows, before, after, new.numbers)


def _answers(model: TaskAdapter, rows: "pd.DataFrame", who: str) -> Predictions:
    """Without embeddings: nobody asks for them here, and they would be most of the memory."""
    texts, labels = rows["text"].tolist(), rows["label"].tolist()
    parts = []
    with bar(f"evaluating {who}", total=len(texts), unit="rows") as advance:
        for first in range(0, max(1, len(texts)), ROWS_AT_ONCE):
            part = slice(first, first + ROWS_AT_ONCE)
            parts.append(model.predict(texts[part], labels=labels[part], advance=advance))
    numbers = np.concatenate([part.numbers for part in parts])
    written = None if parts[0].texts is None else [text for part in parts for text in part.texts or ()]
    return Predictions(numbers, numbers[:, :0], written)


def _compare(judged: _Judged, on: str, metric: str, *, level: float) -> Comparison:
    return Comparison(
        on=on, metric=metric, champion=judged.champion.measure(metric), candidate=judged.candidate.measure(metric),
        difference=judged.candidate.improvement(judged.champion, metric, level=level),
    )  # fmt: skip


def _slices(judged: _Judged, kind: ModelKind) -> dict[str, _Judged]:
    """Named subsets: each label, shorter and longer texts, and every value of the spec's slice columns."""
    true = true_labels(judged.rows["label"], kind) if kind.classifies else np.zeros((0, 0), bool)
    masks = {f"slice:label={label}": true[:, i] for i, label in enumerate(kind.labels)}
    masks |= by_length(judged.rows["text"].str.len().to_numpy())
    for column in (c for c in judged.rows.columns if c.startswith(SLICE)):
        for value in judged.rows[column].dropna().value_counts().index[:MAX_SLICES]:
            masks[f"{column}={value}"] = (judged.rows[column] == value).to_numpy()
    return {name: judged.where(mask) for name, mask in masks.items() if mask.any()}


def by_length(lengths: "NDArray[np.integer]") -> "dict[str, NDArray[np.bool_]]":
    """Shorter and longer texts, parted at the median; of one between two lengths at the lower, so that the names hold."""
    middle = int(np.median(lengths)) if len(lengths) else 0
    return {f"slice:length<={middle}": lengths <= middle, f"slice:length>{middle}": lengths > middle}


def _latency(champion: TaskAdapter, candidate: TaskAdapter, texts: list[str], kind: ModelKind) -> Latency:
    """What a hosted model waits between two tries is no part of it, as in a window's."""
    return Latency(**time_in_turn({
        "champion": lambda text: champion.predict([text], advance=quietly),
        "candidate": lambda text: candidate.predict([text], advance=quietly),
    }, texts, told=(lambda answer: request_ms(answer, kind).item()) if kind.hosted else None))  # fmt: skip
