import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from errors import DataError
from models.contracts import Estimate
from tasks.metrics import estimators
from tasks.metrics.estimators import METHODS, Method, estimate_right


def rows(count: int, rng: np.random.Generator, *, sharp: float = 1.0) -> tuple[np.ndarray, np.ndarray, float]:
    """Probabilities that are twice as sure as they should be, the truth, and the accuracy to expect."""
    logits = sharp * rng.normal(size=(count, 3)) * 2
    real = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    said = real**2 / (real**2).sum(1, keepdims=True)
    truth = (rng.random((count, 1)) < real.cumsum(1)).argmax(1)
    return said, truth, float(real.max(1).mean())


def estimated(
    method: Method, said: np.ndarray, truth: np.ndarray, now: np.ndarray, rng: np.random.Generator
) -> Estimate:
    """Of the most probable answers; probabilities are rows × labels."""
    return estimate_right(method, said.max(1), said.argmax(1) == truth, now.max(1), rng)


@pytest.mark.parametrize("method", METHODS)
def test_the_interval_holds_the_accuracy_where_nothing_changed(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimators, "RESAMPLES", 200)
    rng, reps = np.random.default_rng(1), 200
    expected, covered = rows(200_000, rng)[2], 0
    for _ in range(reps):
        said, truth, _ = rows(300, rng)
        found = estimated(method, said, truth, rows(200, rng)[0], rng)
        covered += found.low <= expected <= found.high
    assert stats.binom.ppf(0.001, reps, 0.93) <= covered <= stats.binom.ppf(0.999, reps, 0.985)


@pytest.mark.parametrize("sharp", [0.6, 1.5])
def test_where_a_confidence_means_the_same_cbpe_finds_the_new_accuracy(sharp: float) -> None:
    rng = np.random.default_rng(2)
    said, truth, then = rows(20_000, rng)
    now, _, expected = rows(20_000, rng, sharp=sharp)
    assert abs(expected - then) > 0.05
    assert now.max(1).mean() > expected + 0.05  # without calibration it would be far off
    found = estimated("CBPE", said, truth, now, rng)
    assert found.value == pytest.approx(expected, abs=0.015)
    for method in ("ATC", "DoC"):
        moved = estimated(method, said, truth, now, rng).value - then
        assert moved * (expected - then) > 0, method


@pytest.mark.parametrize("method", METHODS)
def test_the_calibrations_own_doubt_is_in_the_interval(method: str) -> None:
    rng = np.random.default_rng(3)
    now = rows(50_000, rng)[0]
    few, many = (estimated(method, *rows(count, rng)[:2], now, rng) for count in (60, 6000))
    assert few.high - few.low > 4 * (many.high - many.low)
    assert few.high - few.low > 0.1


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(METHODS), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99), st.booleans())
def test_estimates_are_shares_inside_their_intervals_however_few_the_rows_or_many_the_ties(
    method: str, then: int, now: int, seed: int, sure: bool
) -> None:
    rng = np.random.default_rng(seed)
    said, truth, _ = rows(then, rng)
    current = rows(now, rng)[0]
    if sure:
        said, current = np.eye(3)[said.argmax(1)], np.eye(3)[current.argmax(1)]
    found = estimated(method, said, truth, current, rng)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.n == now
    if sure:
        assert found.value == pytest.approx((said.argmax(1) == truth).mean())


@pytest.mark.parametrize("method", METHODS)
def test_the_reference_itself_is_estimated_at_its_accuracy_and_the_seed_decides_the_interval(method: str) -> None:
    said, truth, _ = rows(1000, np.random.default_rng(4))
    one, same = (estimated(method, said, truth, said, np.random.default_rng(5)) for _ in range(2))
    assert one == same
    assert one.value == pytest.approx((said.argmax(1) == truth).mean())


def test_a_surer_row_is_never_thought_less_likely_to_be_right() -> None:
    rng = np.random.default_rng(7)
    said, truth, _ = rows(400, rng)
    sure = np.sort(said.max(1))[::20]
    found = [estimated("CBPE", said, truth, np.array([[p, 1 - p, 0]]), np.random.default_rng(8)).value for p in sure]
    assert found == sorted(found)
    assert found[-1] > found[0] + 0.2


def test_atc_counts_the_rows_above_the_threshold() -> None:
    said = np.stack([np.linspace(0.99, 0.51, 100), np.linspace(0.01, 0.49, 100)], 1)
    truth = np.array([0] * 70 + [1] * 30)
    now = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.55, 0.45]])
    assert estimated("ATC", said, truth, now, np.random.default_rng(6)).value == 0.5


def test_what_cannot_be_estimated_is_refused() -> None:
    said, truth, rng = np.full((3, 2), 0.5), np.zeros(3, int), np.random.default_rng(0)
    broken = np.array([[0.5, np.nan]])
    for sides, message in (
        ((said[:0], truth[:0], said), "labelled reference rows"), ((said, truth, said[:0]), "labelled reference rows"),
        ((said, truth, broken), "not finite"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=message):
            estimated("CBPE", *sides, rng)
    with pytest.raises(DataError, match="known: CBPE, ATC, DoC"):
        estimated("magic", said, truth, said, rng)


@pytest.mark.parametrize("method", METHODS)
def test_a_reference_without_a_mistake_does_not_prove_that_there_are_none(method: Method) -> None:
    sure, right = np.full(30, 0.99), np.ones(30, bool)
    found = estimate_right(method, sure, right, np.full(200, 0.99), np.random.default_rng(1))
    assert (found.value, found.high) == (pytest.approx(1, abs=0.011), 1)
    assert found.low < 0.9  # of 30 rows without a mistake, as many as one in eight may be wrong
