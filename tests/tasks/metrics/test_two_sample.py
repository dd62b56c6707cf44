import numpy as np
import pytest
from scipy import stats

from tasks.metrics.descriptors import describe
from tasks.metrics.two_sample import categories, ks, mmd


def test_the_mmd_is_its_definition_and_does_not_depend_on_how_permutations_are_batched() -> None:
    rng = np.random.default_rng(0)
    then, now = rng.normal(size=(30, 4)), rng.normal(0.5, size=(20, 4))
    found = mmd(then, now, permutations=1203, rng=np.random.default_rng(1))
    pooled = np.concatenate([then, now])
    squared = ((pooled[:, None] - pooled[None]) ** 2).sum(2)
    kernel = np.exp(-squared / np.median(squared[squared > 1e-12]))
    by_hand = kernel[:30, :30].mean() + kernel[30:, 30:].mean() - 2 * kernel[:30, 30:].mean()
    assert found.statistic == pytest.approx(by_hand)
    assert found.p_value >= 1 / 1204


def test_the_p_value_of_the_mmd_is_uniform_or_larger_where_nothing_changed() -> None:
    rng, reps = np.random.default_rng(2), 300
    found = [
        mmd(rng.normal(size=(40, 8)), rng.normal(size=(15, 8)), permutations=99, rng=rng).p_value for _ in range(reps)
    ]
    for level in (0.01, 0.05, 0.2):
        assert sum(p <= level for p in found) <= stats.binom.ppf(0.999, reps, level)


def test_identical_rows_on_both_sides_are_no_change() -> None:
    same = np.ones((20, 3))
    assert mmd(same, same, permutations=99, rng=np.random.default_rng(0)).p_value == 1


def test_a_shift_has_a_small_p_value_and_a_large_auc() -> None:
    rng = np.random.default_rng(3)
    found = mmd(rng.normal(size=(200, 16)), rng.normal(0.8, size=(100, 16)), permutations=999, rng=rng)
    assert found.p_value == pytest.approx(0.001)
    assert found.effect > 0.9


def test_one_row_a_side_is_no_evidence() -> None:
    rng = np.random.default_rng(4)
    found = mmd(rng.normal(size=(1, 3)), rng.normal(9, size=(1, 3)), permutations=199, rng=rng)
    assert found.p_value == 1
    assert found.effect == 0.5


def test_the_categories_p_value_agrees_with_chi_squared_where_that_holds_and_survives_rare_kinds() -> None:
    rng = np.random.default_rng(5)
    then, now = rng.choice(3, 1000, p=[0.5, 0.3, 0.2]), rng.choice(3, 400, p=[0.44, 0.34, 0.22])
    found = categories(then, now, kinds=4, permutations=9999, rng=rng)
    table = [np.bincount(side, minlength=3) for side in (then, now)]
    assert found.p_value == pytest.approx(stats.chi2_contingency(table).pvalue, abs=0.02)
    rare = categories(np.array([0] * 9), np.array([0, 1]), kinds=2, permutations=9999, rng=rng)
    assert rare.p_value == pytest.approx(2 / 11, abs=0.02)
    assert rare.effect == 0.5


def test_ks_is_scipys() -> None:
    rng = np.random.default_rng(6)
    then, now = rng.normal(size=300), rng.normal(0.2, size=90)
    assert ks(then, now).p_value == stats.ks_2samp(then, now).pvalue


def test_descriptors_of_ordinary_and_of_empty_texts() -> None:
    found = describe(["Good FILM, 10/10!", "", "日本語", "..."])
    assert found["characters"].tolist() == [17, 0, 3, 3]
    assert found["words"].tolist() == [4, 0, 1, 0]
    assert found["upper-case share"][0] == pytest.approx(5 / 17)
    assert found["non-letter share"].tolist() == [pytest.approx(7 / 17), 0, 0, 1]
    assert found["mean word length"].tolist() == [3, 0, 3, 0]
