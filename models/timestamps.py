"""Reads the one kind of moment that a source may carry: ISO 8601 or Unix time."""

import re
from datetime import UTC, datetime

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_DATE = re.compile(rf"((?:19|20)\d\d)({_DAY})?(?:\.0)?")
"""A year, or a day without dashes; pandas writes it with .0 where any is missing. Taken for seconds, all since 1900 would
lie in 1970."""
_DATE_AND_TIME = re.compile(rf"(?:19|20)\d\d{_DAY}(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d(?:\d{{3}}){{,2}})?(?:\.\d*)?")
"""To the minute, second, milli- or microsecond. Taken for a count of any unit, it would lie in 1976 or far ahead."""
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""From what number on it counts nano-, micro-, milliseconds, and how many make a second. Each begins in March of 1973, and
what is below it would, by the next coarser unit, lie in the year 5138."""


def parse_timestamp(text: str) -> datetime | None:
    """The moment in UTC; None where the text is neither ISO 8601 nor Unix time. Naive means UTC."""
    text = text.strip()
    try:
        date = _DATE.fullmatch(text)
        if _NUMBER.fullmatch(text) and not date:
            return None if _DATE_AND_TIME.fullmatch(text) else _from_unix(float(text))
        text = f"{text[:-4]}+00:00" if text.endswith(" UTC") else text
        moment = datetime.fromisoformat(date[1] + (date[2] or "0101") if date else text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _from_unix(number: float) -> datetime:
    a_second = next((a_second for least, a_second in _UNITS if abs(number) >= least), 1)
    return datetime.fromtimestamp(number / a_second, UTC)
