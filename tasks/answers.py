"""What drift looks at of a model's answers: each as a number a row, whatever the kind of model.

The last of them is what slices are watched by.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from models.contracts import ModelKind
from models.label_sets import least_sure
from models.outputs import CONFIDENCE, FAILED, LATENCY, TEXT_LOSS, TEXT_TOKENS, columns_of
from tasks.metrics.written import copied, lengths, repetition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.adapter import Predictions

REQUEST_LATENCY = "latency of a request"
"""Milliseconds, which move with the hour: held against a multiple of what they were."""
Answers = Mapping[str, "NDArray[np.float64]"]


def watched(texts: "Sequence[str]", outputs: "Predictions", kind: ModelKind) -> Answers:
    """Name → one number a row."""
    if kind.truth == "labels":
        each = {f"P({name})": outputs.numbers[:, i].astype(float) for i, name in enumerate(kind.labels)}
        return {**each, CONFIDENCE: least_sure(outputs.numbers)}
    if kind.truth == "label":
        return watched_labels(outputs.numbers, kind.labels)
    number = dict(zip(columns_of(kind), outputs.numbers.T.astype(float), strict=True))
    if kind.hosted:
        return _watched_requests(texts, outputs.texts or [], number, kind)
    found = {}
    if outputs.texts is not None:
        found = {"output words": lengths(outputs.texts), "output repetition": repetition(outputs.texts)}
        if kind.task == "translation":
            found["output untranslated"] = copied(texts, outputs.texts)
        found["output confidence"] = number[CONFIDENCE]
    if TEXT_LOSS in number:
        found["loss a token"] = number[TEXT_LOSS] / number[TEXT_TOKENS]
    return found


def _watched_requests(texts: "Sequence[str]", said: "Sequence[str]", number: Answers, kind: ModelKind) -> Answers:
    """Of a hosted model: how it was served and what it wrote; how sure it was, where the API says so (a request that
    failed is sure of nothing)."""
    found = {REQUEST_LATENCY: number[LATENCY], "failed requests": number[FAILED], "output repetition": repetition(said)}
    if kind.task == "translation":
        found["output untranslated"] = copied(texts, said)
    found["output words"] = lengths(said)
    if kind.hosted and kind.hosted.logprobs:
        found["output confidence"] = np.nan_to_num(number[CONFIDENCE], nan=0.0)
    return found


def watched_labels(probabilities: "NDArray[np.floating]", labels: tuple[str, ...]) -> Answers:
    """Black-box shift detection on softmax outputs (Rabanser et al., NeurIPS 2019), and confidence."""
    names = labels[:-1] if len(labels) == 2 else labels  # the other label's probability says the same
    each = {f"P({name})": probabilities[:, i] for i, name in enumerate(names)}
    return {**each, CONFIDENCE: probabilities.max(1)}
