"""Reads the one kind of moment that a source may carry: ISO 8601 or Unix seconds."""

import re
from datetime import UTC, datetime

_SECONDS = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_DATE = re.compile(r"((?:19|20)\d\d)((?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))?(?:\.0)?")
"""A year, or a day without dashes; pandas writes it with .0 where any is missing. Taken for seconds, all since 1900 would
lie in 1970."""


def parse_timestamp(text: str) -> datetime | None:
    """The moment in UTC; None where the text is neither ISO 8601 nor Unix seconds. Naive means UTC."""
    text = text.strip()
    try:
        date = _DATE.fullmatch(text)
        if _SECONDS.fullmatch(text) and not date:
            return datetime.fromtimestamp(float(text), UTC)
        moment = datetime.fromisoformat(date[1] + (date[2] or "0101") if date else text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
