"""A Monte-Carlo p-value that costs little where nothing happened and stays exact at every size."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

ENOUGH = 20
"""Draws that reach the observed value after which no more are asked for: the p-value is then known to within about
1 / sqrt(20) of itself, and no p-value below `ENOUGH` / (most + 1) is changed by stopping."""
_FIRST = 50


def sequential_p(reaches: Callable[[int], NDArray[np.bool_]], *, most: int, at_once: int) -> float:
    """The p-value of an observed value among at most `most` draws from its distribution if nothing happened.

    `reaches(size)` draws `size` fresh values, and says of each whether it is at least the observed one. At the draw
    number l that is the `ENOUGH`-th to do so, p = ENOUGH / l; without it, p = (1 + reached) / (1 + most). Besag and
    Clifford (Biometrika 1991) show that p is then super-uniform for any `most`: the stopping costs no validity. Draws
    come in batches, of growing size up to `at_once`, and the result does not depend on how they are cut.
    """
    reached = drawn = 0
    size = _FIRST
    while drawn < most:
        hits = reaches(min(size, at_once, most - drawn))
        if reached + int(hits.sum()) >= ENOUGH:
            last = np.flatnonzero(hits)[ENOUGH - reached - 1]
            return ENOUGH / (drawn + int(last) + 1)
        reached, drawn, size = reached + int(hits.sum()), drawn + len(hits), 2 * size
    return (1 + reached) / (1 + most)
