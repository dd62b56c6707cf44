"""Answers held against the truth: one way to grade for each kind of model, and the same questions to all grades.

A step that compares models knows neither labels nor losses nor references: it asks grades for a metric by its name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from errors import ModelError
from models.contracts import Confusion, Decisions, Estimate, ModelKind
from models.label_sets import membership
from models.measures import METRICS
from models.outputs import BYTES, FAILED, LOSS, NO_NUMBER, SENT, TOKENS, WRITTEN, columns_of
from tasks.entailment import grade_faithfulness
from tasks.metrics import summed
from tasks.metrics.confusion import confuse, decide
from tasks.metrics.faithfulness import Entails
from tasks.metrics.labelled import Labelled
from tasks.metrics.language import bits_per_byte, mean, perplexity
from tasks.metrics.several import Several
from tasks.metrics.summed import Summed

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from models.adapter import Predictions


class Grades(Protocol):
    """One model's answers to rows whose truth is known, in the rows' order."""

    def __len__(self) -> int: ...

    def measure(self, metric: str) -> Estimate:
        """With its 95 % interval. Raises UnmeasuredMetric without rows."""

    def improvement(self, champion: Self, metric: str, *, level: float) -> Estimate:
        """By how much these are better than the champion's for the same rows, paired."""

    def where(self, chosen: "NDArray[np.bool_]") -> Self: ...

    def joined(self, other: Self) -> Self: ...


@dataclass(frozen=True)
class Sums:
    """Grades whose metrics are functions of sums over rows."""

    metrics: Mapping[str, Summed]

    def __len__(self) -> int:
        return len(next(iter(self.metrics.values())).rows)

    def measure(self, metric: str) -> Estimate:
        return summed.measure(self.metrics[metric])

    def improvement(self, champion: "Sums", metric: str, *, level: float) -> Estimate:
        return summed.improvement_of(champion.metrics[metric], self.metrics[metric], level=level)

    def where(self, chosen: "NDArray[np.bool_]") -> "Sums":
        return Sums({name: found.where(chosen) for name, found in self.metrics.items()})

    def joined(self, other: "Sums") -> "Sums":
        return Sums({name: found.joined(other.metrics[name]) for name, found in self.metrics.items()})


def grade(
    rows: "pd.DataFrame", outputs: "Predictions", kind: ModelKind, *, entails: Entails | None = None
) -> Grades:  # fmt: skip
    """`rows` have `text` and `label`, of which none is unknown; `outputs` are the model's for them. With `entails`, the
    faithfulness of summaries is graded as well."""
    if kind.classifies:
        return grade_labels(rows["label"].astype(str).tolist(), outputs.numbers, kind)
    texts, references = rows["text"].astype(str).tolist(), rows["label"].astype(str).tolist()
    losses_known = kind.task == "causal-lm" and not kind.hosted
    made = _of_a_language_model(outputs, kind) if losses_known else _against(texts, references, outputs, kind)
    if kind.hosted:
        made |= _of_requests(outputs, kind)
    grades = {name: made[name] for name in kind.metrics}
    if entails:
        grades["faithfulness"] = grade_faithfulness(texts, outputs.texts or [], entails)
    return Sums(grades)


def grade_labels(labels: Sequence[str], probabilities: "NDArray[np.float32]", kind: ModelKind) -> Labelled | Several:
    """A classifier's probabilities (rows × labels) of rows whose label, or labels, are known. Raises ModelError where one is
    no number: it would count as an answer, whosever adapter gave it."""
    if not np.isfinite(probabilities).all():
        raise ModelError(NO_NUMBER)
    if kind.truth == "labels":
        return Several(membership(labels, kind.labels), probabilities)
    index = {label: i for i, label in enumerate(kind.labels)}
    return Labelled(np.array([index[label] for label in labels], np.int64), probabilities, kind.seed)


def confusion_of(models: Mapping[str, Grades], kind: ModelKind) -> Confusion | None:
    """What each of them answered to rows of each label; None unless rows have one label each, and without rows."""
    graded = {name: grades for name, grades in models.items() if isinstance(grades, Labelled) and len(grades)}
    answers = {name: grades.predicted for name, grades in graded.items()}
    return confuse(next(iter(graded.values())).truth, answers, kind.labels) if graded else None


def decisions_of(models: Mapping[str, Grades], kind: ModelKind) -> Decisions | None:
    """How often each of them decided that a label is there; None unless rows may have several, and without rows."""
    graded = {name: grades for name, grades in models.items() if isinstance(grades, Several) and len(grades)}
    answers = {name: grades.said for name, grades in graded.items()}
    return decide(next(iter(graded.values())).truth, answers, kind.labels) if graded else None


def _of_a_language_model(outputs: "Predictions", kind: ModelKind) -> dict[str, Summed]:
    from tasks.metrics.written import distinct_bigrams, repetition

    number = dict(zip(columns_of(kind), outputs.numbers.T.astype(float), strict=True))
    found = {
        "perplexity": perplexity(number[LOSS], number[TOKENS]), "bits_per_byte": bits_per_byte(number[LOSS], number[BYTES]),
    }  # fmt: skip
    if outputs.texts is not None:
        found["repetition"] = mean("repetition", repetition(outputs.texts), "mean share of repeated 4-grams, jackknife")
        found["distinct_2"] = mean("distinct_2", distinct_bigrams(outputs.texts), "mean distinct-2, jackknife")
    return found


def _against(texts: list[str], references: list[str], outputs: "Predictions", kind: ModelKind) -> dict[str, Summed]:
    from tasks.metrics.references import bleu, chrf, length_ratio, rouge
    from tasks.metrics.written import copied, distinct_bigrams, novel_bigrams, repetition

    said = list(outputs.texts or [])
    found = {"length_ratio": length_ratio(said, references), "repetition": mean("repetition", repetition(said))}
    if kind.task == "causal-lm":
        return {**found, **rouge(said, references), "chrf": chrf(said, references),
                "distinct_2": mean("distinct_2", distinct_bigrams(said))}  # fmt: skip
    if kind.task == "summarization":
        return {**found, **rouge(said, references), "novel_bigrams": mean("novel_bigrams", novel_bigrams(texts, said))}
    return {**found, "chrf": chrf(said, references), "copied": mean("copied", copied(texts, said)),
            "bleu": bleu(said, references, tokens=kind.generation.bleu_tokens)}  # fmt: skip


def _of_requests(outputs: "Predictions", kind: ModelKind) -> dict[str, Summed]:
    """Of a hosted model: what each request came to, and cost."""
    number = dict(zip(columns_of(kind), outputs.numbers.T.astype(float), strict=True))
    found = {"error_rate": mean("error_rate", number[FAILED], "share of failed requests, jackknife")}
    prices = kind.hosted.prices if kind.hosted else None
    if prices:
        each = 1000 * prices.of(number[SENT], number[WRITTEN])
        found["cost_per_1000"] = mean("cost_per_1000", each, "mean of tokens × prices, jackknife")
    return found


def telling_metrics(metrics: tuple[str, ...]) -> tuple[str, ...]:
    """Those that say which of two models is better."""
    return tuple(name for name in metrics if METRICS[name].better != "neither")
