import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.metrics.calibration import calibrate, ece_gained, measure_ece
from tasks.metrics.classification import looks_worse


def answered(rows: int, *, overconfident: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Whether each is right, and the confidence, which is too high by so much."""
    confidence = rng.uniform(0.5, 1, rows)
    return rng.random(rows) < confidence - overconfident, confidence


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=1, max_size=50))
def test_the_error_is_guos_and_lies_in_its_interval(rows: list[tuple[bool, float]]) -> None:
    right, confidence = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], np.float32)
    expected, edges = 0.0, np.linspace(0, 1, 16)
    for low, high in itertools.pairwise(edges):  # as in Guo's own code, beside 0 in the first bin
        inside = (confidence.astype(float) > low if low else confidence >= 0) & (confidence.astype(float) <= high)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].astype(float).mean())
    found = measure_ece(calibrate(right, confidence))
    assert found.value == pytest.approx(expected, abs=1e-9)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_who_is_calibrated_has_no_error_and_who_is_overconfident_has_just_that() -> None:
    rng = np.random.default_rng(1)
    assert calibrate(*answered(200_000, overconfident=0.0, rng=rng)).value < 0.005
    assert calibrate(*answered(200_000, overconfident=0.1, rng=rng)).value == pytest.approx(0.1, abs=0.005)
    sure = calibrate(np.ones(20, bool), np.ones(20))
    assert measure_ece(sure).value == 0
    assert measure_ece(sure).high > 0.15  # twenty rows prove nothing


@pytest.mark.parametrize("rows", [100, 1000])
@pytest.mark.parametrize("overconfident", [0.0, 0.05, 0.15])
def test_intervals_hold_the_truth_and_equal_models_do_not_differ(overconfident: float, rows: int) -> None:
    rng, missed, claimed = np.random.default_rng(2), 0, 0
    for _ in range(200):
        one, other = (calibrate(*answered(rows, overconfident=overconfident, rng=rng)) for _ in range(2))
        found, difference = measure_ece(one), ece_gained(one, other, level=0.95)
        missed += not found.low <= max(overconfident, 1e-3) <= found.high
        claimed += not difference.low <= 0 <= difference.high
    assert missed <= 18  # 5 % of 200, and what chance adds in 1 of 100 cases
    assert claimed <= 18


def test_a_better_calibrated_model_is_shown_to_be_better_and_worse_is_told_from_fewer_rows() -> None:
    rng = np.random.default_rng(3)
    bad, good, few = (
        calibrate(*answered(rows, overconfident=o, rng=rng)) for rows, o in ((1000, 0.15), (1000, 0.0), (60, 0.0))
    )
    assert ece_gained(bad, good, level=0.95).low > 0.05
    assert ece_gained(good, bad, level=0.95).high < -0.05
    assert looks_worse("ece", measure_ece(bad), measure_ece(good)) < 1e-4
    assert looks_worse("ece", measure_ece(good), measure_ece(bad)) > 0.999
    assert measure_ece(few).value > 2 * measure_ece(good).value  # by chance alone
    assert looks_worse("ece", measure_ece(few), measure_ece(good)) > 0.01
