from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cdist

from errors import DataError
from tasks.metrics import two_sample
from tasks.metrics.descriptors import describe
from tasks.metrics.two_sample import categories, ks, ks_larger, mmd

NORMAL = np.random.default_rng(0).normal(size=(120, 6)) * [5, 3, 1, 1, 0.5, 0.1]


def test_the_mmd_is_its_definition_on_whitened_axes() -> None:
    then, now = NORMAL[:30], NORMAL[30:50] + 0.5
    found = mmd(then, now, permutations=1203, rng=np.random.default_rng(1))
    pooled = np.concatenate([then, now])
    left, spread, _ = np.linalg.svd(pooled - pooled.mean(0), full_matrices=False)
    white = left * spread / np.sqrt(spread**2 + spread[4] ** 2)  # one direction for every ten of the 50 rows
    squared = cdist(white, white, "sqeuclidean")
    kernel = np.exp(-squared / np.median(squared[squared > 1e-12]))
    by_hand = kernel[:30, :30].mean() + kernel[30:, 30:].mean() - 2 * kernel[:30, 30:].mean()
    assert found.statistic == pytest.approx(by_hand, rel=1e-4)  # single precision
    assert found.p_value >= 1 / 1204


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 59), st.integers(0, 99))
def test_sides_may_be_swapped_and_rows_reordered(n: int, m: int, seed: int) -> None:
    then, now = NORMAL[:n], NORMAL[60 : 60 + m] + 0.2
    one = mmd(then, now, permutations=99, rng=np.random.default_rng(seed))
    other = mmd(now[::-1], then[::-1], permutations=99, rng=np.random.default_rng(seed))
    assert one.statistic == pytest.approx(other.statistic, rel=1e-4, abs=1e-6)
    for found in (one, other):
        assert 0.01 <= found.p_value <= 1
        assert 0 <= found.effect <= 1


def normal(rows: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(rows, 8))


def wide(rows: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(rows, 30))


def rounded(rows: int, rng: np.random.Generator) -> np.ndarray:
    return np.round(rng.exponential(size=rows), 1)


def kinds(rows: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(4, rows, p=[0.7, 0.2, 0.08, 0.02])


@pytest.mark.parametrize(
    ("draw", "test", "landmarks"),
    [(normal, lambda a, b, rng: mmd(a, b, permutations=99, rng=rng), 1000),
     (wide, lambda a, b, rng: mmd(a, b, permutations=199, rng=rng), 25),
     (rounded, lambda a, b, rng: ks(a, b), 1000),
     (kinds, lambda a, b, rng: categories(a, b, kinds=4, permutations=199, rng=rng), 1000)],
    ids=["mmd", "mmd on landmarks", "ks with ties", "categories"],
)  # fmt: skip
def test_p_values_are_uniform_or_larger_where_nothing_changed(
    draw: Callable[[int, np.random.Generator], np.ndarray], test: Callable[..., two_sample.Tested], landmarks: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("tasks.metrics.kernel.LANDMARKS", landmarks)
    rng, reps = np.random.default_rng(2), 300
    found = np.array([test(draw(40, rng), draw(15, rng), rng).p_value for _ in range(reps)])
    assert 0 < found.min() <= found.max() <= 1
    for level in (0.01, 0.05, 0.2, 0.5):
        assert (found <= level).sum() <= stats.binom.ppf(0.999, reps, level), level
    assert (found <= 0.5).mean() > 0.3


def test_identical_rows_on_both_sides_are_no_change() -> None:
    same = np.ones((20, 3))
    assert mmd(same, same, permutations=99, rng=np.random.default_rng(0)) == two_sample.Tested(0, 1, 0.5)
    odd = np.repeat(np.random.default_rng(0).normal(size=(1, 16)), 50, 0)  # whose mean is not quite the row
    assert mmd(odd[:20], odd[20:], permutations=99, rng=np.random.default_rng(0)).p_value > 0.9
    dust = np.random.default_rng(0).normal(scale=1e-11, size=(50, 16))  # what another machine's rounding may leave
    assert two_sample._permutation_p(dust, 20, 99, np.random.default_rng(0)) > 0.9
    twice = np.random.default_rng(0).integers(0, 2, (200, 3)).astype(float)
    assert mmd(twice, twice, permutations=999, rng=np.random.default_rng(0)).p_value > 0.9


@pytest.mark.parametrize("kinds", [2, 40, 700])
def test_rows_that_repeat_one_another_are_tested_and_break_nothing(kinds: int) -> None:
    """Their kernel is singular; in single precision it may come out as less than that."""
    rng = np.random.default_rng(kinds)
    different = rng.normal(size=(kinds, 32)).astype(np.float32)
    then, now = (different[rng.integers(0, kinds, rows)] + 1e-7 * rng.normal(size=(rows, 32)) for rows in (900, 700))
    assert two_sample.mmd(then, now, permutations=199, rng=rng).p_value > 0.001
    moved = two_sample.mmd(then, now + np.float32(0.5), permutations=199, rng=rng)
    assert moved.p_value < 0.02


def test_a_shift_has_a_small_p_value_and_a_large_auc() -> None:
    rng = np.random.default_rng(3)
    found = mmd(rng.normal(size=(200, 16)), rng.normal(0.8, size=(100, 16)), permutations=999, rng=rng)
    assert found.p_value == pytest.approx(0.001)
    assert found.effect > 0.9


def test_the_effect_is_measured_on_rows_that_it_was_not_fitted_on() -> None:
    rng = np.random.default_rng(6)
    quiet = [mmd(rng.normal(size=(40, 16)), rng.normal(size=(30, 16)), permutations=1, rng=rng) for _ in range(60)]
    assert np.mean([found.effect for found in quiet]) == pytest.approx(0.5, abs=0.04)


def test_a_shift_along_quiet_axes_is_found_beside_a_loud_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, spread = np.random.default_rng(4), np.array([30, *[1] * 15])
    sides = rng.normal(size=(300, 16)) * spread, rng.normal(size=(100, 16)) * spread + [0, *[0.6] * 15]
    assert mmd(*sides, permutations=999, rng=rng).p_value == pytest.approx(0.001)
    monkeypatch.setattr(two_sample, "whiten", lambda pooled: pooled - pooled.mean(0))
    assert mmd(*sides, permutations=999, rng=rng).p_value > 0.01


def test_a_pool_larger_than_its_landmarks_is_told_apart_nearly_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    sides = rng.normal(size=(300, 16)), rng.normal(0.3, size=(100, 16))
    whole = mmd(*sides, permutations=1, rng=rng)
    monkeypatch.setattr("tasks.metrics.kernel.LANDMARKS", 150)
    some = mmd(*sides, permutations=1999, rng=rng)
    assert 0.3 * whole.statistic < some.statistic < whole.statistic
    assert some.p_value < 0.002


def test_one_row_a_side_is_no_evidence() -> None:
    rng = np.random.default_rng(4)
    found = mmd(rng.normal(size=(1, 3)), rng.normal(9, size=(1, 3)), permutations=199, rng=rng)
    assert found.p_value == 1
    assert found.effect == 0.5


def test_the_categories_p_value_agrees_with_chi_squared_where_that_holds_and_survives_rare_kinds() -> None:
    rng = np.random.default_rng(5)
    then, now = rng.choice(3, 1000, p=[0.5, 0.3, 0.2]), rng.choice(3, 400, p=[0.44, 0.34, 0.22])
    found = [categories(then, now, kinds=4, permutations=9999, rng=rng) for _ in range(200)]
    table = stats.chi2_contingency([np.bincount(side, minlength=3) for side in (then, now)], correction=False)
    assert np.mean([f.p_value for f in found]) == pytest.approx(table.pvalue, rel=0.15)
    assert found[0].statistic == pytest.approx(table.statistic)
    rare = [categories(np.array([0] * 9), np.array([0, 1]), kinds=2, permutations=9999, rng=rng) for _ in range(200)]
    assert np.mean([r.p_value for r in rare]) == pytest.approx(2 / 11, rel=0.15)
    assert rare[0].effect == 0.5


def test_ks_is_scipys_and_exact_beyond_the_size_at_which_scipy_stops_to_be() -> None:
    rng = np.random.default_rng(6)
    then, now = rng.normal(size=300), rng.normal(0.2, size=90)
    assert ks(then, now).p_value == stats.ks_2samp(then, now).pvalue
    then, now = rng.normal(size=20_000), rng.normal(0.5, size=50)
    limit = stats.ks_2samp(then, now, method="asymp").pvalue
    assert ks(then, now).p_value == stats.ks_2samp(then, now, method="exact").pvalue > 1.01 * limit
    assert ks(now, then) == ks(then, now)


@pytest.mark.parametrize(
    ("n", "m", "apart"), [(2000, 2000, 0.4), (10_000, 10_000, 0.15), (9000, 1200, 0.3), (300, 5000, 0.6)]
)
def test_a_tiny_ks_p_value_is_a_bound_that_is_never_below_the_exact_one(n: int, m: int, apart: float) -> None:
    rng = np.random.default_rng(7)
    then, now = rng.normal(size=n), rng.normal(apart, size=m)
    exact = stats.ks_2samp(then, now, method="exact")
    found = ks(then, now)
    assert exact.pvalue < found.p_value < 1e-6
    assert found.effect == pytest.approx(exact.statistic)


@pytest.mark.parametrize(("n", "m"), [(300, 90), (600, 500), (10_000, 37), (1000, 1000), (5000, 3001)])
@pytest.mark.filterwarnings("error")
def test_the_one_sided_ks_is_exact_where_scipy_can_count_and_never_warns_where_it_cannot(n: int, m: int) -> None:
    rng = np.random.default_rng(9)
    then, now = rng.normal(size=n), rng.normal(0.1, size=m)
    limit = stats.ks_2samp(then, now, alternative="greater", method="asymp").pvalue
    found = ks_larger(then, now).p_value
    assert found == pytest.approx(limit, rel=0.1)
    if n + m < 1000 or n == m:
        assert found == stats.ks_2samp(then, now, alternative="greater", method="exact").pvalue != limit


def test_ks_counts_ties_as_scipy_does() -> None:
    rng = np.random.default_rng(8)
    then, now = rng.integers(0, 4, 500).astype(float), rng.integers(1, 5, 90).astype(float)
    assert ks(then, now).effect == pytest.approx(stats.ks_2samp(then, now).statistic)


@pytest.mark.parametrize("test", [
    lambda a, b: mmd(a[:, None], b[:, None], permutations=9, rng=np.random.default_rng(0)), ks,
    lambda a, b: categories(a.astype(int), b.astype(int), kinds=2, permutations=9, rng=np.random.default_rng(0)),
])  # fmt: skip
def test_an_empty_side_is_refused(test: Callable[[np.ndarray, np.ndarray], two_sample.Tested]) -> None:
    for sides in ((np.zeros(0), np.ones(3)), (np.ones(3), np.zeros(0))):
        with pytest.raises(DataError, match="rows on both sides"):
            test(*sides)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_and_not_called_quiet_or_drifted(broken: float) -> None:
    rows = np.array([[0.0], [broken], [1.0]])
    with pytest.raises(DataError, match="not finite"):
        mmd(np.zeros((3, 1)), rows, permutations=9, rng=np.random.default_rng(0))
    with pytest.raises(DataError, match="not finite"):
        ks(rows[:, 0], np.zeros(3))


def test_descriptors_of_ordinary_and_of_empty_texts() -> None:
    found = describe(["Good FILM, 10/10!", "", "日本語", "..."])
    assert found["characters"].tolist() == [17, 0, 3, 3]
    assert found["words"].tolist() == [4, 0, 1, 0]
    assert found["upper-case share"][0] == pytest.approx(5 / 17)
    assert found["non-letter share"].tolist() == [pytest.approx(7 / 17), 0, 0, 1]
    assert found["mean word length"].tolist() == [3, 0, 3, 0]
