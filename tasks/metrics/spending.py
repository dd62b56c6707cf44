"""How much of a year's false alarms one look may spend."""

from datetime import timedelta

YEAR = timedelta(days=365)


def level(alpha: float, *, false_alarms_a_year: float, since_last: timedelta) -> float:
    """min(alpha, budget · elapsed / 365 days): the level of a test that is made `since_last` after the one before.

    A test at level a raises a false alarm with probability at most a, so by linearity of expectation the expected
    false alarms of a year are at most the sum of its levels, under any dependence between the tests (all windows are
    compared with one reference). The elapsed times add up to at most the year, so the levels add up to at most the
    budget. No time, or a clock that went backwards, spends nothing: at level 0 nothing can alarm.
    """
    elapsed = max(since_last, timedelta(0))
    return min(alpha, false_alarms_a_year * (elapsed / YEAR))
