"""Reads the one kind of moment that a source may carry: ISO 8601 or Unix seconds."""

import re
from datetime import UTC, datetime

_SECONDS = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_DAY = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
"""ISO 8601 without dashes. Taken for seconds, all days since 1900 would lie in August 1970."""


def parse_timestamp(text: str) -> datetime | None:
    """The moment in UTC; None where the text is neither ISO 8601 nor Unix seconds. Naive means UTC."""
    text = text.strip()
    try:
        if _SECONDS.fullmatch(text) and not _DAY.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
