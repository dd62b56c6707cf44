import numpy as np
import pytest

from errors import DataError
from tasks.metrics.two_sample import mmd
from tasks.metrics.whitening import DIRECTIONS, whiten


def embeddings(rows: int, rng: np.random.Generator, *, shifted: float = 0.0) -> np.ndarray:
    """40 numbers a row, the first of which varies forty times as much as the others; the last may be shifted."""
    found = rng.normal(size=(rows, 40))
    found[:, 0] *= 40
    found[:, -1] += 3 * (rng.random(rows) < shifted)
    return found.astype(np.float32)


def test_every_direction_gets_the_same_weight() -> None:
    rng = np.random.default_rng(1)
    found = whiten(embeddings(500, rng))
    assert found.shape == (500, DIRECTIONS)
    assert np.cov(found.T) == pytest.approx(np.eye(DIRECTIONS), abs=0.01)


def test_few_rows_get_few_directions_and_equal_rows_are_no_difference() -> None:
    rng = np.random.default_rng(4)
    assert whiten(embeddings(50, rng)).shape == (50, 5)
    same = np.ones((30, 6), np.float32)
    assert mmd(same, same[:10], permutations=99, rng=rng).p_value == 1


def test_numbers_that_are_not_finite_are_refused() -> None:
    rng = np.random.default_rng(5)
    broken = embeddings(20, rng)
    broken[3, 3] = np.nan
    with pytest.raises(DataError, match="not finite"):
        whiten(broken)
