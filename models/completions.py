"""What a chat completion says, whatever of it is there: the text, the confidence in it, tokens."""

import math
from collections.abc import Mapping
from typing import Any

from models.api import Reply

MOST_TOKENS = 1e9
"""A count above this is none."""


def choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = body.get("choices")
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def said(reply: Reply) -> str:
    """Empty where a request failed, and where the model said nothing."""
    content = None if reply.problem else (choice(reply.body).get("message") or {}).get("content")
    return content.encode("utf-8", "replace").decode() if isinstance(content, str) else ""


def numbers_of(reply: Reply) -> tuple[float, ...]:
    """A failure has no confidence; its tokens, where it was counted, are paid for."""
    return (math.nan if reply.problem else confidence(reply.body), reply.ms, float(bool(reply.problem)), tokens(reply.body, "prompt_tokens"),
            tokens(reply.body, "completion_tokens"))  # fmt: skip


def tokens(body: Mapping[str, Any], name: str) -> float:
    usage = body.get("usage")
    count = usage.get(name) if isinstance(usage, dict) else None
    return float(count) if isinstance(count, int | float) and 0 <= count < MOST_TOKENS else 0.0


def confidence(body: Mapping[str, Any]) -> float:
    try:
        each = [float(token["logprob"]) for token in choice(body)["logprobs"]["content"]]
    except (KeyError, TypeError, ValueError, OverflowError):
        return math.nan
    mean = sum(each) / len(each) if each else math.nan
    return math.nan if math.isnan(mean) else math.exp(min(0.0, mean))
