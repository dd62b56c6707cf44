import numpy as np
import pytest

from errors import DataError
from tasks.metrics import whitening
from tasks.metrics.two_sample import mmd
from tasks.metrics.whitening import whiten


def embeddings(rows: int, rng: np.random.Generator, *, shifted: float = 0.0) -> np.ndarray:
    """40 numbers a row, the first of which varies forty times as much as the others; the last may be shifted."""
    found = rng.normal(size=(rows, 40))
    found[:, 0] *= 40
    found[:, -1] += 3 * (rng.random(rows) < shifted)
    return found.astype(np.float32)


def test_a_direction_counts_by_its_variance_against_the_ridge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whitening, "DIRECTIONS", 3)
    spread = np.array([40, 5, 2, 1, 0.5])
    found = whiten(np.random.default_rng(1).normal(size=(20_000, 5)) * spread)
    assert np.sort(np.cov(found.T).diagonal())[::-1] == pytest.approx(spread**2 / (spread**2 + 4), rel=0.1)


def test_few_wide_rows_are_whitened_as_many_narrow_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = embeddings(30, np.random.default_rng(6))
    wide = np.concatenate([rows, np.zeros((30, 5))], axis=1)
    monkeypatch.setattr(whitening, "ROWS_A_DIRECTION", 1)
    one, other = whiten(rows), whiten(np.concatenate([wide] * 2))[:30]  # 60 rows of 45 numbers, 30 of 40
    assert np.abs(one @ one.T) == pytest.approx(np.abs(other @ other.T), abs=1e-6)


def test_few_rows_have_a_higher_ridge_and_equal_rows_are_no_difference() -> None:
    found = whiten(embeddings(50, np.random.default_rng(4)))
    assert (np.cov(found.T).diagonal() > 0.5).sum() == 5
    same = np.ones((30, 6), np.float32)
    assert mmd(same, same[:10], permutations=99, rng=np.random.default_rng(4)).p_value == 1


def test_numbers_that_are_not_finite_are_refused() -> None:
    rng = np.random.default_rng(5)
    broken = embeddings(20, rng)
    broken[3, 3] = np.nan
    with pytest.raises(DataError, match="not finite"):
        whiten(broken)
