"""Champion and candidate on the same rows, which neither has trained on; what is measured is what is served."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.object_store import ObjectStore
from infra.progress import bar
from infra.stages import once
from models.adapter import ROWS_AT_ONCE, TaskAdapter, adapter_for
from models.contracts import (
    Comparison,
    Latency,
    Measured,
    Measurement,
    ModelKind,
    Percentiles,
    Scorecard,
    Table,
    TrainingSet,
    Weights,
)
from models.rows import SLICE
from tasks.metrics.classification import measure
from tasks.metrics.paired import paired_difference

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("accuracy", "macro_f1")
LATENCY_TEXTS, LATENCY_WARMUP = 40, 5
MAX_SLICES = 50


@dataclass(frozen=True)
class _Judged:
    """Rows of one kind with the truth and both models' answers, as label numbers."""

    rows: "pd.DataFrame"
    truth: np.ndarray
    champion: np.ndarray
    candidate: np.ndarray

    def where(self, mask: np.ndarray) -> "_Judged":
        return _Judged(self.rows[mask], self.truth[mask], self.champion[mask], self.candidate[mask])


@task(name="evaluate", cache_policy=NO_CACHE)
@once("evaluate")
def evaluate(
    training_set: TrainingSet, champion: Weights, candidate: Weights, *, kind: ModelKind, store: ObjectStore,
) -> Scorecard:  # fmt: skip
    """Every metric on the current and the reference window's sealed rows, and accuracy per slice of both."""
    labels, seed = kind.labels, kind.seed
    import pandas as pd

    old, new = (_load(w, kind, store) for w in (champion, candidate))
    current = _judged(training_set.test, old, new, labels, store)
    reference = _judged(training_set.reference_test, old, new, labels, store)
    both = _Judged(pd.concat([current.rows, reference.rows]), *(
        np.concatenate([getattr(current, f), getattr(reference, f)]) for f in ("truth", "champion", "candidate")
    ))  # fmt: skip
    overall = [
        _compare(judged, on, metric, len(labels), seed, level=0.95)
        for on, judged in (("current", current), ("reference", reference)) for metric in METRICS if len(judged.rows)
    ]  # fmt: skip
    slices = _slices(both, labels)
    level = 1 - 0.05 / max(1, len(slices))
    sliced = [_compare(part, on, "accuracy", len(labels), seed, level=level) for on, part in slices.items()]
    return Scorecard(
        comparisons=(*overall, *sliced), latency=_latency(old, new, both.rows["text"].tolist()),
        label_agreement=float((current.champion == current.truth).mean()) if len(current.rows) else 0.0,
    )  # fmt: skip


@task(name="measure", cache_policy=NO_CACHE)
@once("measure")
def measure_release(
    training_set: TrainingSet, weights: Weights, *, kind: ModelKind, store: ObjectStore,
) -> Measured:  # fmt: skip
    """A first champion on its sealed rows, beside always answering the most frequent label."""
    labels, seed = kind.labels, kind.seed
    model = _load(weights, kind, store)
    judged = _judged(training_set.test, model, None, labels, store)
    found = [
        Measurement(on="current", metric=m,
                    estimate=measure(m, judged.truth, judged.champion, labels=len(labels), seed=seed))
        for m in METRICS
    ]  # fmt: skip
    return Measured(
        measurements=tuple(found), majority_share=float(np.bincount(judged.truth).max() / len(judged.truth))
    )


def _load(weights: Weights, kind: ModelKind, store: ObjectStore) -> TaskAdapter:
    folder = store.get_folder(weights.prefix, weights.files)
    return adapter_for(kind.task).load(folder, kind, new_head=False)


def _judged(
    table: Table,
    champion: TaskAdapter,
    candidate: TaskAdapter | None,
    labels: tuple[str, ...],
    store: ObjectStore,
) -> _Judged:
    import pandas as pd

    rows = pd.read_parquet(store.get_file(table))
    index = {label: i for i, label in enumerate(labels)}
    truth = np.array([index[label] for label in rows["label"]], dtype=np.int64)
    texts = rows["text"].tolist()
    first = _answers(champion, texts, "champion")
    return _Judged(rows, truth, first, _answers(candidate, texts, "candidate") if candidate else first)


def _answers(model: TaskAdapter, texts: list[str], who: str) -> np.ndarray:
    with bar(f"evaluating {who}", total=len(texts), unit="rows") as advance:
        found = [
            model.predict(texts[first : first + ROWS_AT_ONCE], advance=advance).probabilities.argmax(1)
            for first in range(0, max(1, len(texts)), ROWS_AT_ONCE)
        ]
    return np.concatenate(found)


def _compare(judged: _Judged, on: str, metric: str, labels: int, seed: int, *, level: float) -> Comparison:
    options: dict[str, Any] = {"labels": labels, "seed": seed}
    return Comparison(
        on=on, metric=metric, champion=measure(metric, judged.truth, judged.champion, **options),
        candidate=measure(metric, judged.truth, judged.candidate, **options),
        difference=paired_difference(metric, judged.truth, judged.champion, judged.candidate, level=level, **options),
    )  # fmt: skip


def _slices(judged: _Judged, labels: tuple[str, ...]) -> dict[str, _Judged]:
    """Named subsets: each label, shorter and longer texts, and every value of the spec's slice columns."""
    masks = {f"slice:label={label}": judged.truth == i for i, label in enumerate(labels)}
    lengths = judged.rows["text"].str.len().to_numpy()
    middle = float(np.median(lengths)) if len(lengths) else 0.0
    masks |= {
        f"slice:length<={middle:.0f}": lengths <= middle,
        f"slice:length>{middle:.0f}": lengths > middle,
    }
    for column in (c for c in judged.rows.columns if c.startswith(SLICE)):
        for value in judged.rows[column].dropna().value_counts().index[:MAX_SLICES]:
            masks[f"{column}={value}"] = (judged.rows[column] == value).to_numpy()
    return {name: judged.where(mask) for name, mask in masks.items() if mask.any()}


def _latency(champion: TaskAdapter, candidate: TaskAdapter, texts: list[str]) -> Latency:
    """One text at a time, the models in turn on each, so that a busy machine slows both alike."""
    times: dict[str, list[float]] = {"champion": [], "candidate": []}
    for number, text in enumerate((texts * LATENCY_TEXTS)[: LATENCY_TEXTS + LATENCY_WARMUP]):
        for who, model in (("champion", champion), ("candidate", candidate)):
            began = time.perf_counter()
            model.predict([text], advance=_ignore)
            if number >= LATENCY_WARMUP:
                times[who].append(1000 * (time.perf_counter() - began))
    return Latency(**{who: _percentiles(spent) for who, spent in times.items()})


def _percentiles(values: list[float]) -> Percentiles:
    p50, p95, p99 = (float(v) for v in np.percentile(values, [50, 95, 99]))
    return Percentiles(p50=p50, p95=p95, p99=p99, n=len(values))


def _ignore(rows: int) -> None:
    """Latency shows no bar: it would be part of what is measured."""
