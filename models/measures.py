"""The metrics of each kind of model: what they are called, which way is better, how a change of them is counted."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, WithJsonSchema

from errors import UnmeasuredMetric

CLASSIFICATION = "text-classification"
SEVERAL = "several labels"
TASKS = (CLASSIFICATION, "causal-lm", "summarization", "translation")
WRITING = frozenset(TASKS) - {CLASSIFICATION}
_OWN = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"


def _known_task(task: str) -> str:
    if task in TASKS or re.match(_OWN, task):
        return task
    raise ValueError(
        f"is none of {', '.join(TASKS)}, nor an adapter of one's own (package.module:Class, docs/adapters.md)"
    )


Task = Annotated[
    str, AfterValidator(_known_task), WithJsonSchema({"anyOf": [{"enum": list(TASKS)}, {"pattern": _OWN}]})
]
MetricName = Literal[
    "accuracy", "macro_f1", "auroc", "ece", "micro_f1", "exact_match",
    "perplexity", "bits_per_byte",
    "rouge_1", "rouge_2", "rouge_l", "bleu", "chrf",
    "length_ratio", "novel_bigrams", "copied", "repetition", "distinct_2",
    "error_rate", "cost_per_1000",
    "faithfulness", "win_rate",
]  # fmt: skip


UNSHOWN = 0.05
"""How often a bound is missed by chance."""


@dataclass(frozen=True)
class Metric:
    """`better`: which way is; neither for what only describes. A metric that is a share (0 to 1) changes by points;
    any other by its share of what it was: a perplexity of 22 after 20 is 10 % worse."""

    words: str
    better: Literal["more", "less", "neither"] = "more"
    is_share: bool = True


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy"),
    "macro_f1": Metric("macro F1"),
    "auroc": Metric("AUROC"),
    "ece": Metric("calibration error", "less"),
    "micro_f1": Metric("micro F1"),
    "exact_match": Metric("exact match"),
    "perplexity": Metric("perplexity", "less", is_share=False),
    "bits_per_byte": Metric("bits per byte", "less", is_share=False),
    "rouge_1": Metric("ROUGE-1"),
    "rouge_2": Metric("ROUGE-2"),
    "rouge_l": Metric("ROUGE-L"),
    "bleu": Metric("BLEU"),
    "chrf": Metric("chrF"),
    "length_ratio": Metric("length ratio", "neither", is_share=False),
    "novel_bigrams": Metric("novel bigrams", "neither"),
    "copied": Metric("untranslated", "less"),
    "repetition": Metric("repetition", "less"),
    "distinct_2": Metric("distinct bigrams", "neither"),
    "error_rate": Metric("failed requests", "less"),
    "cost_per_1000": Metric("cost of 1,000 requests", "less", is_share=False),
    "faithfulness": Metric("faithfulness"),
    "win_rate": Metric("win rate"),
}
MEASURED: dict[str, tuple[str, ...]] = {
    "text-classification": ("accuracy", "macro_f1", "auroc", "ece"),
    SEVERAL: ("micro_f1", "macro_f1", "exact_match", "auroc", "ece"),
    "causal-lm": ("perplexity", "bits_per_byte", "repetition", "distinct_2"),
    "summarization": ("rouge_l", "rouge_1", "rouge_2", "length_ratio", "novel_bigrams", "repetition"),
    "translation": ("chrf", "bleu", "length_ratio", "copied", "repetition"),
}
"""Task (or that a row may have several labels) → its metrics; the first is the one that decides where nobody names
another. Adapters of one's own classify."""
_ANSWERS = ("chrf", "rouge_l", "length_ratio", "repetition", "distinct_2")
"""Of a language model whose losses nobody can see, since it is behind an API."""


def measured_of_hosted(task: str, *, priced: bool) -> tuple[str, ...]:
    """The task's metrics, and what only requests have: that they fail, and what they cost."""
    said = _ANSWERS if task == "causal-lm" else MEASURED[task]
    return (*said, "error_rate", *(["cost_per_1000"] if priced else []))


def metric(name: str) -> Metric:
    if name not in METRICS:
        raise UnmeasuredMetric(f"metric {name!r} is not known; known: {', '.join(METRICS)}")
    return METRICS[name]


def can_show(win_rate: float, decided: int) -> bool:
    """Whether the one-sided 95 % bound (Clopper and Pearson) reaches it where all that are decided are won."""
    return decided > 0 and UNSHOWN ** (1 / decided) >= win_rate


def figure(name: str, number: float) -> str:
    """A metric with as many digits as two versions are compared by."""
    return f"{number:.4f}" if metric(name).is_share else f"{number:.6g}"


def improvement(name: str, before: float, after: float) -> float:
    """By how much `after` is better than `before`: in points for shares, else as a share of `before`. Of a metric of
    which neither more nor less is better, by how much it is more."""
    found = metric(name)
    gained = after - before if found.is_share or not before else after / before - 1
    return -gained if found.better == "less" else gained
