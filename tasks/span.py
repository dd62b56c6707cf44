"""The days that a command looks at, as they are written on its line."""

from datetime import UTC, date, datetime, timedelta

from errors import SpecError
from models.contracts import Record


class Span(Record):
    """From `since` to just before `until`; None: no limit."""

    since: datetime | None
    until: datetime | None

    def holds(self, moment: datetime) -> bool:
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)


def span_of(first: str | None, last: str | None) -> Span:
    """From the first day's start to the last day's end, UTC. Raises SpecError for anything but YYYY-MM-DD."""
    begin, end = _day(first, "--from"), _day(last, "--to")
    if begin and end and end < begin:
        raise SpecError(f"--from {first} lies after --to {last}, so that no run lies between them; swap them")
    return Span(since=begin, until=end + timedelta(days=1) if end else None)


def _day(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise SpecError(f"{option} {text!r} is no day; write it as YYYY-MM-DD, for example 2026-01-31")
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
