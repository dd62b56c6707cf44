import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tasks.metrics.kernel import _squared_distances


def test_distances_are_those_of_scipy_to_many_digits_even_far_from_zero() -> None:
    rows = np.random.default_rng(0).normal(size=(120, 6)) * [5, 3, 1, 1, 0.5, 0.1] + 1e2
    exact = cdist(rows, rows, "sqeuclidean")
    assert _squared_distances(rows, rows) == pytest.approx(exact, abs=1e-9 * exact.max())
