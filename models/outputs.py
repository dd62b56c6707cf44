"""The numbers that a model gives for each row, column by column: what adapters write and steps read by name."""

from models.contracts import ModelKind

CONFIDENCE = "confidence"
"""Geometric mean of the probabilities of the tokens that were written; NaN where nothing was, or where an API does not say."""
LOSS, TOKENS, BYTES = "loss", "tokens", "bytes"
"""Of the truth: the sum of the tokens' negative log-likelihoods (nats), how many tokens and UTF-8 bytes those are. NaN
where the truth is not known."""
TEXT_LOSS, TEXT_TOKENS = "text loss", "text tokens"
"""Of the row's text itself, whatever is known of its truth."""
LATENCY, FAILED, SENT, WRITTEN = "latency", "failed", "sent tokens", "written tokens"
"""Of a hosted model's request: milliseconds of its last try, 1 where none was answered, tokens as the API counts them
(0 where it does not say)."""

NO_NUMBER = ("the model answers a text with what is no number (NaN or infinity): its weights are damaged or far too large. Nothing "
             "was measured; roll back, or begin with other weights")  # fmt: skip


def columns_of(kind: ModelKind) -> tuple[str, ...]:
    if kind.classifies:
        return kind.labels
    if kind.hosted:
        return CONFIDENCE, LATENCY, FAILED, SENT, WRITTEN
    if kind.task == "causal-lm":
        return LOSS, TOKENS, BYTES, TEXT_LOSS, TEXT_TOKENS, CONFIDENCE
    return (CONFIDENCE,)
