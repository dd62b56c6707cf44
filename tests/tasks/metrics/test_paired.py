import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from errors import UnmeasuredMetric
from tasks.metrics.paired import HOPEFUL, paired_difference, power_of_difference, rows_needed, score_interval

COUNTS = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 2000)).map(lambda c: (*c[:2], sum(c)))


def outcomes(rows: int, discordance: float, difference: float) -> list[tuple[int, int, float]]:
    """(gained, lost, probability) of all outcomes but the ten-millionth most unlikely."""
    gain = (discordance + difference) / 2 / discordance
    numbers = np.arange(rows + 1)
    likely = numbers[stats.binom.pmf(numbers, rows, discordance) > 1e-7]
    return [
        (int(gained), int(number - gained), float(p))
        for number in likely
        for gained, p in enumerate(
            stats.binom.pmf(number, rows, discordance) * stats.binom.pmf(np.arange(number + 1), number, gain)
        )
        if p > 1e-7
    ]


@pytest.mark.parametrize(
    ("rows", "discordance", "difference"),
    [(20, 0.3, 0), (50, 0.05, 0), (50, 0.2, 0), (100, 0.2, 0), (200, 0.05, 0), (500, 0.05, 0), (2000, 0.02, 0),
     (50, 0.2, -0.05), (100, 0.06, -0.05), (200, 0.1, -0.05), (500, 0.0501, -0.05),
     (100, 0.1, 0.05), (150, 0.05, 0.02), (300, 0.02, 0.01), (1000, 0.0201, 0.02)],
)  # fmt: skip
def test_a_candidate_at_the_limit_is_called_better_than_it_in_at_most_two_and_a_half_per_cent(
    rows: int, discordance: float, difference: float
) -> None:
    error = covered = 0.0
    for gained, lost, probability in outcomes(rows, discordance, difference):
        found = score_interval(gained, lost, rows)
        error += probability * (found.low > difference)
        covered += probability * (found.low <= difference <= found.high)
    assert error <= 0.025
    assert covered >= 0.95 - 1e-4
    if rows * discordance >= 20:
        assert error >= 0.01  # an interval that never errs is no use either


@given(COUNTS, st.floats(0.5, 0.999))
def test_the_score_interval_holds_its_value_and_is_mirrored_by_swapping_the_models(
    counts: tuple[int, int, int], level: float
) -> None:
    gained, lost, rows = counts
    found, mirrored = score_interval(gained, lost, rows, level=level), score_interval(lost, gained, rows, level=level)
    assert -1 <= found.low < found.value < found.high <= 1
    assert (mirrored.low, mirrored.value, mirrored.high) == (-found.high, -found.value, -found.low)
    wider = score_interval(gained, lost, rows, level=(1 + level) / 2)
    assert wider.low <= found.low < found.high <= wider.high


def test_the_score_interval_is_tangos_but_for_the_correction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airway hyper-responsiveness in 21 children, a worked example of Fagerland, Lydersen and Laake."""
    corrected = score_interval(1, 7, 21)
    monkeypatch.setattr("tasks.metrics.paired._correction", lambda limit: 0.0)
    plain = score_interval(1, 7, 21)
    assert (plain.low, plain.value, plain.high) == pytest.approx((-0.517, -0.286, -0.026), abs=5e-4)
    assert corrected.low < plain.low < plain.high < corrected.high


def test_many_rows_have_the_normal_interval() -> None:
    large, half = score_interval(3000, 2000, 50_000), 1.96 * np.sqrt(0.1 - 0.02**2) / np.sqrt(50_000)
    assert (large.low, large.high) == pytest.approx((0.02 - half, 0.02 + half), abs=1e-4)


def test_above_nothing_is_what_the_test_at_no_difference_rejects_and_mcnemars_mid_p_too() -> None:
    for gained, lost in np.ndindex(30, 15):
        better = score_interval(gained, lost, 60).low > 0
        assert better == (gained - lost - 0.5 > stats.norm.isf(0.025) * np.sqrt(gained + lost)), (gained, lost)
        reached = stats.binom(gained + lost, 0.5)
        assert not better or reached.sf(gained) + reached.pmf(gained) / 2 < 0.025


@pytest.mark.parametrize(
    ("rows", "gain", "discordance", "limit"),
    [
        (150, 0.1, 0.15, 0),
        (500, 0.025, 0.05, 0),
        (200, 0, 0.1, -0.05),
        (300, 0.01, 0.06, -0.03),
        (200, 0.1, 0.15, 0.04),
    ],
)
def test_the_power_is_how_often_the_interval_clears_the_limit(
    rows: int, gain: float, discordance: float, limit: float
) -> None:
    exact = sum(
        p for gained, lost, p in outcomes(rows, discordance, gain) if score_interval(gained, lost, rows).low > limit
    )
    assert power_of_difference(rows, gain=gain, discordance=discordance, limit=limit) == pytest.approx(exact, abs=0.04)


@given(st.floats(0.01, 0.2), st.floats(0.01, 0.5), st.floats(-0.1, 0.1), st.floats(0.5, 0.95))
def test_the_rows_needed_have_the_power_and_one_less_has_not(
    beyond: float, more: float, limit: float, power: float
) -> None:
    gain = limit + beyond
    given_ = {"gain": gain, "discordance": abs(gain) + more, "limit": limit}
    needed = rows_needed(**given_, power=power)
    wanted = min(power + HOPEFUL, (1 + power) / 2)
    assert power_of_difference(needed, **given_) >= wanted
    assert needed == 1 or power_of_difference(needed - 1, **given_) < wanted


def test_a_few_rows_needed_by_name() -> None:
    assert rows_needed(0.04, discordance=0.1, limit=0.02) == 2045
    assert rows_needed(0.0, discordance=0.1, limit=-0.05) == 378
    assert rows_needed(0.05, discordance=0.2) < rows_needed(0.05, discordance=0.3) < rows_needed(0.03, discordance=0.2)


def answers(truth: np.ndarray, accuracy: float, rng: np.random.Generator, labels: int) -> np.ndarray:
    return np.where(rng.random(len(truth)) < accuracy, truth, (truth + rng.integers(1, labels, len(truth))) % labels)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50))
def test_the_difference_in_accuracy_is_the_score_interval_of_the_rows_that_only_one_gets_right(
    right: list[tuple[bool, bool]],
) -> None:
    champion, candidate = (np.array(side, int) for side in zip(*right, strict=True))
    found = paired_difference("accuracy", np.ones(len(right), int), champion, candidate, labels=2, seed=1)
    gained, lost = int((candidate > champion).sum()), int((champion > candidate).sum())
    assert found == score_interval(gained, lost, len(right))


def related(
    rows: int, rng: np.random.Generator, *, rare: bool, discordance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A truth of three labels and two models of accuracy 0.8 that are equally good and often agree."""
    truth = rng.choice(3, rows, p=[0.75, 0.15, 0.1] if rare else None)
    champion = answers(truth, 0.8, rng, 3)
    same = rng.random(rows) < 1 - discordance / (2 * 0.8 * 0.2)
    return truth, champion, np.where(same, champion, answers(truth, 0.8, rng, 3))


@pytest.mark.parametrize(("rows", "rare", "discordance"), [(50, False, 0.2), (200, False, 0.05), (200, True, 0.05)])
def test_a_candidate_with_an_equal_macro_f1_is_called_better_about_as_often_as_the_level_says(
    rows: int, rare: bool, discordance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.metrics.bootstrap.RESAMPLES", 500)
    rng, reps, wrong, covered = np.random.default_rng(5), 400, 0, 0
    for seed in range(reps):
        found = paired_difference(
            "macro_f1", *related(rows, rng, rare=rare, discordance=discordance), labels=3, seed=seed
        )
        wrong += (found.low > 0) + (found.high < 0)
        covered += found.low <= 0 <= found.high
    assert wrong <= stats.binom.ppf(0.99, reps, 0.05)
    assert covered >= stats.binom.ppf(0.01, reps, 0.95)


def test_two_models_that_always_agree_still_have_an_interval() -> None:
    truth = np.zeros(100, int)
    for metric, least in (("accuracy", 0.0461), ("macro_f1", 0.0369)):
        found = paired_difference(metric, truth, truth, truth, labels=2, seed=1)
        assert (found.low, found.value, found.high) == pytest.approx((-least, 0, least), abs=1e-4)


def test_a_wider_level_gives_a_wider_interval_and_the_seed_decides_it() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 500)
    sides = answers(truth, 0.8, rng, 2), answers(truth, 0.8, rng, 2)
    for metric in ("accuracy", "macro_f1"):
        narrow, again, wide = (
            paired_difference(metric, truth, *sides, labels=2, seed=3, level=level) for level in (0.95, 0.95, 0.999)
        )
        assert narrow == again
        assert wide.low < narrow.low < narrow.high < wide.high


def test_a_hundred_and_fifty_labels_fit_into_memory() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 150, 5000)
    found = paired_difference("macro_f1", truth, answers(truth, 0.7, rng, 150), truth, labels=150, seed=1)
    assert found.value == pytest.approx(0.3, abs=0.03)


def test_impossible_numbers_no_rows_and_unknown_metrics_are_refused() -> None:
    none, one = np.array([], int), np.array([0])
    for call in (
        lambda: paired_difference("accuracy", none, none, none, labels=2, seed=1),
        lambda: paired_difference("bleu", one, one, one, labels=2, seed=1),
        lambda: score_interval(3, 3, 5),
        lambda: score_interval(-1, 3, 5),
        lambda: rows_needed(0, discordance=0.1),
        lambda: power_of_difference(100, gain=0.2, discordance=0.1),
        lambda: power_of_difference(100, gain=0.02, discordance=0.1, limit=0.02),
    ):
        with pytest.raises(UnmeasuredMetric):
            call()


def test_a_model_that_got_all_right_where_the_other_got_none_is_not_surer_by_macro_f1_than_by_accuracy() -> None:
    truth = np.tile([0, 1], 10)
    accuracy, f1 = (paired_difference(m, truth, 1 - truth, truth, labels=2, seed=1) for m in ("accuracy", "macro_f1"))
    assert (f1.value, f1.high) == (1, 1)
    assert f1.low == pytest.approx(accuracy.low, abs=0.05)
