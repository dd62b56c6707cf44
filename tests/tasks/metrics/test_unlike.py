import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from errors import DataError
from tasks.metrics import unlike
from tasks.metrics.unlike import most_unlike


def test_the_rows_of_another_domain_come_first_and_say_how_far_they_are() -> None:
    rng = np.random.default_rng(1)
    usual = rng.normal(size=(700, 12)) + 3 * np.eye(12)[0]
    current = usual[500:].copy()
    strange = [3, 50, 120]
    current[strange] = rng.normal(size=(3, 12)) - 6 * np.eye(12)[0]
    found = most_unlike(usual[:500], current, most=10, rng=rng)
    assert {row.row for row in found[:3]} == set(strange)
    assert all(row.beyond == 1 for row in found[:3])
    assert [row.distance for row in found] == sorted((row.distance for row in found), reverse=True)
    assert len(found) == 10


def test_one_row_far_from_everything_is_not_hidden_by_many_that_moved_a_little() -> None:
    rng = np.random.default_rng(2)
    reference = rng.normal(size=(400, 8)) + 4 * np.eye(8)[0]
    current = rng.normal(size=(400, 8)) + 4 * np.eye(8)[0] + np.eye(8)[1]
    current[17] = -4 * np.eye(8)[0]
    assert most_unlike(reference, current, most=1, rng=rng)[0].row == 17


def test_a_row_like_the_references_is_beyond_a_uniform_share_of_it() -> None:
    rng = np.random.default_rng(3)
    found = [most_unlike(rng.normal(size=(60, 12)), rng.normal(size=(1, 12)), rng=rng)[0].beyond for _ in range(400)]
    assert stats.kstest(found, "uniform").pvalue > 0.001


def test_blocks_and_scale_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    sides = rng.normal(size=(90, 5)), rng.normal(size=(70, 5))
    whole = most_unlike(*sides, rng=np.random.default_rng(5))
    monkeypatch.setattr(unlike, "_ROWS_AT_ONCE", 7)
    assert most_unlike(*sides, rng=np.random.default_rng(5)) == whole
    scaled = most_unlike(sides[0] * 3, sides[1] * 0.1, rng=np.random.default_rng(5))
    assert [row.row for row in scaled] == [row.row for row in whole]


def test_more_rows_than_are_compared_are_drawn_from_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unlike, "REFERENCE_ROWS", 40)
    monkeypatch.setattr(unlike, "CURRENT_ROWS", 30)
    rng = np.random.default_rng(6)
    found = most_unlike(rng.normal(size=(1000, 4)), rng.normal(size=(1000, 4)), most=100, rng=rng)
    assert len({row.row for row in found}) == 30
    assert max(row.row for row in found) > 800


@given(st.integers(2, 12), st.integers(1, 12), st.integers(0, 12))
def test_a_handful_of_rows_is_ranked_too(reference: int, current: int, most: int) -> None:
    rng = np.random.default_rng(7)
    found = most_unlike(rng.normal(size=(reference, 3)), np.zeros((current, 3)), most=most, rng=rng)
    assert len(found) == min(most, current)
    assert all(row.distance == 1 and 0 <= row.beyond <= 1 for row in found)


def test_what_cannot_be_ranked_is_refused() -> None:
    rng = np.random.default_rng(8)
    for sides, message in (
        ((np.ones((1, 2)), np.ones((3, 2))), "1 reference and 3 current"),
        ((np.ones((3, 2)), np.ones((0, 2))), "3 reference and 0 current"),
        ((np.ones((3, 2)), np.full((3, 2), np.nan)), "not finite"),
    ):
        with pytest.raises(DataError, match=message):
            most_unlike(*sides, rng=rng)


def test_rows_that_are_ruled_out_early_would_not_have_been_among_the_farthest() -> None:
    rng = np.random.default_rng(6)
    sides = rng.normal(size=(400, 6)) + 1, rng.normal(size=(5000, 6)) + rng.exponential(size=(5000, 1))
    every = most_unlike(*sides, most=5000, rng=np.random.default_rng(5))
    assert most_unlike(*sides, most=12, rng=np.random.default_rng(5)) == every[:12]
