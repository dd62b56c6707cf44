"""Which rows people are to look at."""

import numpy as np
from numpy.typing import NDArray


def draw_in_proportion(
    strata: NDArray[np.str_], wanted: int, rng: np.random.Generator
) -> NDArray[np.int64]:  # fmt: skip
    """Places of `wanted` rows, as many of each stratum as is its share, in random order; at most as many as there are.

    Systematic sampling (Madow and Madow, Annals of Mathematical Statistics 1944) of the rows sorted by stratum and
    shuffled within: every row has the same chance, also of a stratum too rare for a row of its own, so that a plain
    share among the drawn is an unbiased estimate of the share among all.
    """
    rows = len(strata)
    order = np.lexsort((rng.random(rows), np.unique(strata, return_inverse=True)[1]))
    places = np.floor((rng.random() + np.arange(wanted)) * rows / max(1, wanted)).astype(np.int64)
    return rng.permutation(order[np.minimum(places, rows - 1)])
