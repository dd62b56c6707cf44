import numpy as np
import pytest

from errors import UnmeasuredMetric
from models.contracts import Estimate
from tasks.metrics.classification import accuracy_fell
from tasks.metrics.labels import power_of_a_loss, power_of_labels
from tasks.metrics.language import mean
from tasks.metrics.summed import got_worse, measure


@pytest.mark.parametrize(("labels", "noted"), [(200, 0.34), (500, 0.71), (1000, 0.92)])
def test_the_power_is_what_the_field_notes_measured(labels: int, noted: float) -> None:
    assert power_of_labels(labels, accuracy_then=0.85, rows_then=5000, drop=0.05) == pytest.approx(noted, abs=0.05)


@pytest.mark.parametrize(
    ("labels", "rows_then", "accuracy", "drop", "least"),
    [(100, 300, 0.85, 0.15, 0), (200, 4000, 0.85, 0.05, 0), (500, 1000, 0.85, 0.05, 0.02), (400, 2000, 0.95, 0.03, 0),
     (2000, 4000, 0.8, 0.03, 0.025)],
)  # fmt: skip
def test_the_power_is_how_often_the_test_finds_the_drop(
    labels: int, rows_then: int, accuracy: float, drop: float, least: float
) -> None:
    rng, reps = np.random.default_rng(labels), 1000
    then, now = rng.binomial(rows_then, accuracy, reps), rng.binomial(labels, accuracy - drop, reps)
    pairs, counts = np.unique(np.stack([then, now]), axis=1, return_counts=True)
    found = sum(
        int(count) for (a, b), count in zip(pairs.T, counts, strict=True)
        if accuracy_fell(int(b), labels, int(a), rows_then) <= 0.01 and a / rows_then - b / labels >= least
    )  # fmt: skip
    power = power_of_labels(labels, accuracy_then=accuracy, rows_then=rows_then, drop=drop, least_drop=least)
    assert power == pytest.approx(found / reps, abs=3.3 * np.sqrt(0.25 / reps))


def test_a_reference_too_small_or_a_drop_too_small_to_count_is_never_proven() -> None:
    assert power_of_labels(50_000, accuracy_then=0.85, rows_then=100, drop=0.05) < 0.8
    assert power_of_labels(50_000, accuracy_then=0.85, rows_then=4000, drop=0.02, least_drop=0.02) < 0.8
    assert power_of_labels(800, accuracy_then=0.85, rows_then=4000, drop=0.05) > 0.8


@pytest.mark.parametrize("wrong", [{"drop": 0}, {"drop": 0.9}, {"rows_then": 0}, {"p_value": 0}, {"labels": 0}])
def test_impossible_numbers_are_refused(wrong: dict[str, float]) -> None:
    labels, *rest = ({"labels": 100, "accuracy_then": 0.8, "rows_then": 100, "drop": 0.1} | wrong).items()
    with pytest.raises(UnmeasuredMetric, match="power needs"):
        power_of_labels(labels[1], **dict(rest))


@pytest.mark.parametrize("least", [0.0, 0.04])
def test_the_power_of_a_loss_is_how_often_the_test_finds_it(least: float) -> None:
    rng, reps, promised, found = np.random.default_rng(1), 400, 0.0, 0
    for _ in range(reps):
        then, now = (
            measure(mean("rouge_l", rng.beta(8 * m, 8 * (1 - m), rows), "")) for m, rows in ((0.4, 300), (0.35, 200))
        )
        promised += power_of_a_loss(200, then, metric="rouge_l", drop=0.05, p_value=0.01, least_drop=least) / reps
        found += got_worse("rouge_l", now, then) <= 0.01 and then.value - now.value >= least
    assert found / reps == pytest.approx(promised, abs=0.06)


def test_an_interval_that_was_cut_at_nothing_promises_no_more_power_than_a_whole_one() -> None:
    def power(low: float) -> float:
        then = Estimate(value=0.01, low=low, high=0.06, n=100, method="")
        return power_of_a_loss(100, then, metric="repetition", drop=0.1, p_value=0.01)

    assert power(0.0) == pytest.approx(power(-0.04))
    assert 0.1 < power(0.0) < 0.9
