"""How much of the year's false alarms one run may spend."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from errors import SpecError

YEAR = timedelta(days=365)
FIRST_RUNS = 5
"""Runs in close succession that may test at full alpha."""


def level(alpha: float, *, false_alarms_a_year: float, looks: Sequence[datetime], now: datetime) -> float:
    """The level at which a run that starts `now` is tested: what it can afford, and never more than `alpha`.

    A purse holds enough for `FIRST_RUNS` runs at `alpha` (at most half of the year's false alarms) and is full at the
    first of `looks` (the bootstrap and the runs after it, oldest first). It fills again evenly over a year with the rest of
    `false_alarms_a_year`, never above what it holds, and every look takes its level out. So a first day of trying
    tests at full strength, and a daily routine soon at what a day affords.

    A run that is tested at level a raises a false alarm with probability at most a, so the *expected number* of false
    alarms in any 365 days is at most the sum of the levels, and so at most `false_alarms_a_year`, by linearity of
    expectation, whatever the dependence between the runs. That matters here: all runs are compared with one
    reference, so that their p-values are dependent, and methods that multiply evidence over runs (e-processes,
    e-CUSUM) would not be valid. The quantity that is held is Spjøtvoll's per-family error rate (Annals of
    Mathematical Statistics 1972), spent over time as in Lan and DeMets (Biometrika 1983). Levels depend on the times
    of the runs alone, never on what was found.

    0, at which nothing is an alarm, where nothing is left. Raises SpecError for an `alpha` outside (0, 1] or a
    negative budget.
    """
    if not 0 < alpha <= 1 or not 0 <= false_alarms_a_year < math.inf:
        raise SpecError(
            f"alpha {alpha} must lie in (0, 1], and {false_alarms_a_year} false alarms a year be finite and 0 or more; "
            "correct drift.alpha or the budget in the spec"
        )
    purse = min(FIRST_RUNS * alpha, false_alarms_a_year / 2)
    income = false_alarms_a_year - purse
    left, last = purse, now
    for number, look in enumerate(looks):
        if number:  # at the first of them the purse is full
            left = _filled(left, look - last, income, purse)
            left -= min(alpha, left)
        last = look
    return min(alpha, _filled(left, now - last, income, purse))


def _filled(left: float, passed: timedelta, income: float, purse: float) -> float:
    return min(purse, left + income * (max(passed, timedelta(0)) / YEAR))
