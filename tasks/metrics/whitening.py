"""Embeddings as a two-sample test should see them: no direction drowns the others."""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from errors import DataError

Sample = NDArray[np.floating]
DIRECTIONS = 30
ROWS_A_DIRECTION = 10
_NOTHING = 1e-9


def whiten(pooled: Sample) -> Sample:
    """Both samples' rows together (rows × width), centred, along their main directions, each scaled to variance one.

    A classifier that was fine-tuned puts most of its embeddings' variance into the direction that parts its labels
    (71 % on film sentences), and a Gaussian kernel then sees little else: of windows of 200 rows with 20 % product
    reviews the test found none in 16, and all 16 after this (10 to 80 directions were tried; 20 to 50 were alike; dividing by the root of the spread only, halfway, found 3).
    The directions come from all rows, whatever their side, so that a permutation test stays exact. At most
    `DIRECTIONS`, and one for every `ROWS_A_DIRECTION` rows. Raises DataError for numbers that are not finite.
    """
    if not np.isfinite(pooled).all():
        raise DataError("some embeddings are not finite, and cannot be compared; look at the model's outputs")
    rounding = (1e-12 * float(np.abs(pooled).max())) ** 2  # rows that are equal have a spread of that order
    pooled = pooled.astype(np.float64) - pooled.mean(0, dtype=np.float64)
    rows, width = pooled.shape
    count = max(1, min(DIRECTIONS, rows // ROWS_A_DIRECTION, width))
    variances, directions = linalg.eigh(pooled.T @ pooled / rows, subset_by_index=(width - count, width - 1))
    there = variances > max(_NOTHING * float(variances[-1]), rounding, np.finfo(float).tiny)
    whitened: Sample = pooled @ (directions[:, there] / np.sqrt(variances[there]))
    return whitened
