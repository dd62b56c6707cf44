"""The numbers that a model gives for each row, column by column: what adapters write and steps read by name."""

from models.contracts import ModelKind

CONFIDENCE = "confidence"
"""Geometric mean of the probabilities of the tokens that were written; NaN where nothing was."""
LOSS, TOKENS, BYTES = "loss", "tokens", "bytes"
"""Of the truth: the sum of the tokens' negative log-likelihoods (nats), how many tokens and UTF-8 bytes those are. NaN
where the truth is not known."""
TEXT_LOSS, TEXT_TOKENS = "text loss", "text tokens"
"""Of the row's text itself, whatever is known of its truth."""


def columns_of(kind: ModelKind) -> tuple[str, ...]:
    if kind.classifies:
        return kind.labels
    if kind.task == "causal-lm":
        return LOSS, TOKENS, BYTES, TEXT_LOSS, TEXT_TOKENS, CONFIDENCE
    return (CONFIDENCE,)
