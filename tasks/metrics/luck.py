"""How much of what a version measured at its release was luck, and what that takes from a test against it.

A candidate is released because it measured well, so the number that later windows are held against is too good on
average: the winner's curse. Given that a gate was passed, its measure follows a normal distribution cut off at the
limit that it had to pass, and its conditional maximum likelihood estimate tells how much of it was surplus (Zhong and
Prentice, Biostatistics 2008).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Numbers = NDArray[np.float64]
PASSED = float(stats.norm.isf(0.025))
"""Standard errors beyond its limit from which on a gate is passed: its 95 % interval lies above."""
_SURE = 10.0
"""Standard errors beyond which being chosen tells nothing."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


@dataclass(frozen=True)
class Chosen:
    """What passing a gate says of the number that was measured with it.

    `beyond`: standard errors by which the gate's measure lay beyond its limit. `moves`: by how much the number gets
    better, in its own units, where that measure does by one standard error.
    """

    beyond: float
    moves: float

    @property
    def luck(self) -> float:
        """How much of the number was probably luck, in its own units."""
        return self.moves * float(surplus(self.beyond))


def surplus(beyond: ArrayLike) -> Numbers:
    """Of a measure that passed, how many standard errors were probably luck; the truth is taken to be at its limit
    or better."""
    measured = np.asarray(beyond, float)
    return np.where(measured < _SURE, measured - np.interp(measured, _MEASURED, _TRUE), 0.0)


def less_luck(p_value: float, chosen: Chosen, *, spread: float) -> float:
    """The one-sided p-value of "worse now than at release", given that the release was chosen.

    The luck is taken off the drop, and what is left is held against what chance leaves of it where nothing changed and
    the truth is at the gate's limit, which of all at the limit or better leaves most. So the test is false no more often
    than its level for every released version that is as good as its gate demands. Never below `p_value`. `spread`: the
    standard error of the drop, in the number's units.
    """
    follows = min(0.999, chosen.moves / spread) if spread else 0.0
    if follows <= 0 or not 0 < p_value < 1:
        return p_value
    left = float(stats.norm.isf(p_value)) - follows * float(surplus(chosen.beyond))
    return max(p_value, _by_chance(left, follows))


def level_before(level: float, chosen: Chosen, *, spread: float) -> float:
    """The plain p-value that `less_luck` turns into `level`: what a test has to reach so that it comes out at it."""
    if less_luck(level, chosen, spread=spread) <= level:
        return level
    low = float(stats.norm.isf(level))
    high = low + _SURE
    while high - low > 1e-3:
        middle = (low + high) / 2
        proves = less_luck(float(stats.norm.sf(middle)), chosen, spread=spread) <= level
        low, high = (low, middle) if proves else (middle, high)
    return float(stats.norm.sf(high))


def _by_chance(left: float, follows: float) -> float:
    """How often that much is left of a drop, if the gate's measure is truly at its limit and was passed by chance."""
    measured = PASSED + _SURE / 2 * (1 + _NODES)
    density = stats.norm.pdf(measured) / stats.norm.sf(PASSED)
    off = left - follows * (measured - surplus(measured))
    return min(1.0, float(_SURE / 2 * _WEIGHTS @ (density * stats.norm.sf(off / math.sqrt(1 - follows**2)))))


_TRUE = np.linspace(0.0, _SURE, 2001)
_MEASURED = _TRUE + np.exp(stats.norm.logpdf(PASSED - _TRUE) - stats.norm.logsf(PASSED - _TRUE))
"""What is measured on average of a truth, where it passes."""
