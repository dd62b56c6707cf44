import numpy as np
import pytest
from scipy import stats

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
    first, second = whiten(embeddings(400, rng), embeddings(100, rng))
    pooled = np.concatenate([first, second])
    assert (len(first), len(second)) == (400, 100)
    assert pooled.shape[1] == DIRECTIONS
    assert np.cov(pooled.T) == pytest.approx(np.eye(DIRECTIONS), abs=0.01)


def test_a_shift_in_a_weak_direction_is_found_where_the_kernel_alone_is_blind() -> None:
    rng = np.random.default_rng(2)
    bare = whitened = 0
    for _ in range(10):
        then, now = embeddings(400, rng), embeddings(150, rng, shifted=0.5)
        then[:, 1:30], now[:, 1:30] = 0.01 * then[:, 1:30], 0.01 * now[:, 1:30]  # the shifted one is among the main 30
        bare += mmd(then, now, permutations=499, rng=rng).p_value <= 0.005
        whitened += mmd(*whiten(then, now), permutations=499, rng=rng).p_value <= 0.005
    assert bare <= 2
    assert whitened >= 9


def test_quiet_samples_pass_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(3)
    found = [
        mmd(*whiten(embeddings(120, rng), embeddings(60, rng)), permutations=99, rng=rng).p_value for _ in range(200)
    ]
    for level in (0.05, 0.2):
        assert sum(p <= level for p in found) <= stats.binom.ppf(0.999, len(found), level)


def test_few_rows_get_few_directions_and_equal_rows_are_no_difference() -> None:
    rng = np.random.default_rng(4)
    assert whiten(embeddings(30, rng), embeddings(20, rng))[0].shape == (30, 5)
    same = np.ones((30, 6), np.float32)
    assert mmd(*whiten(same, same[:10]), permutations=99, rng=rng).p_value == 1


def test_numbers_that_are_not_finite_are_refused() -> None:
    rng = np.random.default_rng(5)
    broken = embeddings(20, rng)
    broken[3, 3] = np.nan
    with pytest.raises(DataError, match="not finite"):
        whiten(embeddings(20, rng), broken)
