from datetime import UTC, datetime, timedelta

import pytest

from errors import SpecError
from tasks.span import span_of


def test_both_days_are_included() -> None:
    span = span_of("2026-01-02", "2026-01-03")
    first, end = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC)
    moment = timedelta(microseconds=1)
    assert span.holds(first)
    assert span.holds(end - moment)
    assert not span.holds(first - moment)
    assert not span.holds(end)


def test_without_days_everything_is_included() -> None:
    assert span_of(None, None).holds(datetime(1990, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("text", ["yesterday", "2026-1-5", "20260105", "2026-02-30", "05.01.2026", "2026-W01-1", "",
                                  "2026-01-05T10:00"])  # fmt: skip
def test_anything_but_a_day_is_refused_with_the_option_the_value_and_the_form(text: str) -> None:
    with pytest.raises(SpecError, match=r"--to .* is no day; write it as YYYY-MM-DD"):
        span_of(None, text)


def test_days_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(SpecError, match="swap them"):
        span_of("2026-02-01", "2026-01-01")
    assert span_of("2026-02-01", "2026-02-01").since
