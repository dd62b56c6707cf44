"""How much of the year's false alarms one run may spend."""

import math
from datetime import timedelta

from errors import SpecError

YEAR = timedelta(days=365)


def level(alpha: float, false_alarms_a_year: float, since_last: timedelta) -> float:
    """The level at which this run is tested: its share of the year's false alarms, and never more than `alpha`.

    A run that is tested at level a raises a false alarm with probability at most a, so the *expected number* of false
    alarms in a year is at most the sum of the levels, by linearity of expectation, whatever the dependence between
    the runs. That matters here: all runs are compared with one reference, so that their p-values are dependent, and
    methods that multiply evidence over runs (e-processes, e-CUSUM) would not be valid. The quantity that is held is
    Spjøtvoll's per-family error rate (Annals of Mathematical Statistics 1972); spending it in proportion to elapsed
    time is the linear spending function of Lan and DeMets (Biometrika 1983). The levels of all runs within any 365
    days sum to at most the budget plus the first run's own level, for any schedule that is fixed without looking at
    the p-values.

    0, at which nothing is an alarm, where no time has passed: a run that is repeated at once spends nothing. Raises
    SpecError for an `alpha` outside (0, 1] or a negative budget.
    """
    if not 0 < alpha <= 1 or not 0 <= false_alarms_a_year < math.inf:
        raise SpecError(
            f"alpha {alpha} must lie in (0, 1], and {false_alarms_a_year} false alarms a year be finite and 0 or more; "
            "correct drift.alpha or the budget in the spec"
        )
    return min(alpha, false_alarms_a_year * max(since_last, timedelta(0)) / YEAR)
