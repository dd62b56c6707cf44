import pytest

from tasks.metrics.agreement import krippendorffs_alpha

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": three observers, missing values left out.
A = [None, None, None, None, None, 3, 4, 1, 2, 1, 1, 3, 3, None, 3]
B = [1, None, 2, 1, 3, 3, 4, 3, None, None, None, None, None, None, None]
C = [None, None, 2, 1, 3, 4, 4, None, 2, 1, 1, 3, 3, None, 4]


def test_the_published_example_has_its_published_alpha() -> None:
    units = [[str(v) for v in unit if v is not None] for unit in zip(A, B, C, strict=True)]
    assert krippendorffs_alpha(units) == pytest.approx(0.691, abs=5e-4)


def test_people_who_always_agree_have_one_and_those_who_never_do_less_than_none() -> None:
    assert krippendorffs_alpha([["a", "a"], ["b", "b"]]) == 1
    found = krippendorffs_alpha([["a", "b"], ["b", "a"], ["a", "b"]])
    assert found is not None
    assert found < 0


def test_where_nothing_can_be_told_it_says_nothing() -> None:
    assert krippendorffs_alpha([["a"], ["b"]]) is None
    assert krippendorffs_alpha([["a", "a"], ["a", "a"]]) is None
    assert krippendorffs_alpha([]) is None
