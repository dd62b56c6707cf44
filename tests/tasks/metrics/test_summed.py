import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from errors import UnmeasuredMetric
from models.contracts import Estimate
from models.measures import METRICS, improvement
from tasks.metrics.language import bits_per_byte, mean, perplexity
from tasks.metrics.summed import FEWEST, got_worse, improvement_of, measure


def rows(count: int, rng: np.random.Generator, *, worse: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Losses and tokens of texts of very different lengths, as real ones are."""
    tokens = np.ceil(rng.lognormal(3, 0.7, count))
    return tokens * np.maximum(0.1, rng.normal(3 + worse, 0.6, count)), tokens


def test_perplexity_and_bits_per_byte_are_those_of_all_tokens_and_bytes_together() -> None:
    losses, tokens, sizes = np.array([10.0, 2.0] * 10), np.array([5.0, 1.0] * 10), np.array([20.0, 4.0] * 10)
    assert measure(perplexity(losses, tokens)).value == pytest.approx(math.exp(2))
    assert measure(bits_per_byte(losses, sizes)).value == pytest.approx(0.5 / math.log(2))


def test_an_interval_without_width_holds_its_own_value() -> None:
    rng = np.random.default_rng(5)
    alike = [measure(perplexity(np.full(10, loss), np.full(10, 7.0))) for loss in rng.gamma(2, 20, 2000)]
    assert [e for e in alike if not e.low <= e.value <= e.high] == []


def test_a_change_reaches_no_further_than_its_metric_can() -> None:
    """A perplexity cannot become less by more than itself, a length ratio neither."""
    few, ones = rows(5, np.random.default_rng(2)), np.ones(5)
    better = improvement_of(perplexity(*few), perplexity(0.9 * few[0], few[1]))
    assert better.low < -5 < better.value < better.high == 1
    longer = improvement_of(mean("length_ratio", ones), mean("length_ratio", 2 * ones))
    assert -1 == longer.low < longer.value < 5 < longer.high


def test_a_mean_has_students_interval() -> None:
    values = np.random.default_rng(1).random(50)
    found = measure(mean("rouge_l", values))
    expected = stats.t.interval(0.95, 49, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)


@pytest.mark.parametrize("count", [50, 400])
def test_an_interval_holds_the_truth_as_often_as_it_says(count: int) -> None:
    rng = np.random.default_rng(count)
    truth = measure(perplexity(*rows(400_000, rng))).value
    held = [found.low <= truth <= found.high for found in (measure(perplexity(*rows(count, rng))) for _ in range(800))]
    assert stats.binomtest(sum(held), 800, 0.95).pvalue > 1e-4, np.mean(held)


@pytest.mark.parametrize("count", [50, 400])
def test_nothing_that_changed_is_called_worse_no_more_often_than_the_level(count: int) -> None:
    rng = np.random.default_rng(count)
    then = [measure(perplexity(*rows(300, rng))) for _ in range(800)]
    alarms = sum(got_worse("perplexity", measure(perplexity(*rows(count, rng))), before) < 0.01 for before in then)
    assert alarms <= stats.binom.ppf(0.999, 800, 0.01), alarms


def test_a_model_that_became_worse_is_found() -> None:
    rng = np.random.default_rng(3)
    then, now = measure(perplexity(*rows(300, rng))), measure(perplexity(*rows(300, rng, worse=0.2)))
    assert got_worse("perplexity", now, then) < 0.001
    assert got_worse("perplexity", then, now) > 0.99


@pytest.mark.parametrize("then", [0.0, 0.3])
def test_a_cost_that_is_another_in_every_row_is_found_where_no_other_order_of_the_rows_parts_them(then: float) -> None:
    before, after = (measure(mean("cost_per_1000", np.full(10, cost))) for cost in (then, 1.0))
    assert got_worse("cost_per_1000", after, before) == pytest.approx(1 / math.comb(20, 10))
    assert got_worse("cost_per_1000", before, after) == 1


def test_a_cost_that_is_the_same_in_every_row_is_not_called_higher_for_a_rounding() -> None:
    before, after = (measure(mean("cost_per_1000", np.full(count, 0.1))) for count in (300, 70))
    assert before.value != after.value
    assert got_worse("cost_per_1000", after, before) == got_worse("cost_per_1000", before, after) == 1


@pytest.mark.parametrize("costly", [1, 2, 3])
def test_a_few_rows_that_cost_something_do_not_prove_that_nothing_became_dear(costly: int) -> None:
    """Of 50 and 50 rows, chance leaves `costly` on one side with .5, .25 and .12."""
    free, few = np.zeros(50), np.r_[np.full(50 - costly, 0.0), np.full(costly, 0.4)]
    before, after = (measure(mean("cost_per_1000", costs)) for costs in (free, few))
    assert got_worse("cost_per_1000", after, before) > 0.01


@pytest.mark.parametrize(("free", "rows", "costly"), [(8, 300, 30), (50, 50, 6), (300, 50, 5), (300, 300, 300)])
def test_what_cost_nothing_before_is_held_to_what_chance_leaves_of_rows_that_cost_something(
    free: int, rows: int, costly: int
) -> None:
    costs = np.r_[np.zeros(rows - costly), np.linspace(0.39, 0.41, costly)]
    before, after = measure(mean("cost_per_1000", np.zeros(free))), measure(mean("cost_per_1000", costs))
    by_chance = float(stats.hypergeom.pmf(0, free + rows, costly, free))
    assert by_chance <= got_worse("cost_per_1000", after, before) <= max(10 * by_chance, 1e-9)


def test_rows_too_few_for_an_interval_prove_no_rise_of_a_perplexity() -> None:
    before, after = (measure(perplexity(np.full(FEWEST - 1, loss), np.ones(FEWEST - 1))) for loss in (3.0, 30.0))
    assert got_worse("perplexity", after, before) == 1


def test_an_interval_that_was_cut_at_nothing_proves_no_more_than_a_whole_one() -> None:
    def found(value: float, low: float) -> Estimate:
        return Estimate(value=value, low=low, high=value + 0.05, n=100, method="")

    cut, whole = (got_worse("repetition", found(0.06, 0.01), found(0.01, low)) for low in (0.0, -0.04))
    assert cut == pytest.approx(whole)


def test_two_models_on_the_same_rows_are_told_apart_by_what_differs() -> None:
    rng = np.random.default_rng(4)
    losses, tokens = rows(200, rng)
    champion, candidate = perplexity(losses, tokens), perplexity(losses - 0.05 * tokens, tokens)
    gain = improvement_of(champion, candidate)
    assert gain.value == pytest.approx(1 - math.exp(-0.05), rel=1e-3)
    assert 0 < gain.low < gain.value < gain.high
    assert measure(champion).low < measure(candidate).high  # apart they could not be told


def test_less_repetition_is_an_improvement() -> None:
    then, now = mean("repetition", np.full(100, 0.5)), mean("repetition", np.full(100, 0.2))
    assert improvement_of(then, now).value == pytest.approx(0.3)
    assert METRICS["repetition"].better == "less"


def test_rows_that_are_all_alike_prove_no_more_than_their_number() -> None:
    found = measure(mean("rouge_l", np.ones(20)))
    assert (found.low, found.high) == (pytest.approx(1 + math.log(0.025) / 20), 1)


def test_too_few_rows_say_nothing_and_none_are_refused() -> None:
    few = np.arange(1.0, FEWEST)
    found = measure(mean("chrf", few / 10))
    assert (found.low, found.high) == (0, 1)
    assert measure(perplexity(few, few)).high > 1000
    unknown = improvement_of(mean("chrf", few / 10), mean("chrf", few[::-1] / 10))
    assert (unknown.low, unknown.value, unknown.high) == (-1, 0, 1)
    with pytest.raises(UnmeasuredMetric, match="label some"):
        measure(perplexity(np.array([]), np.array([])))


@pytest.mark.parametrize("words", [[0.0] * 20, [3.0] + [0.0] * 19, [3.0, 1.0] + [0.0] * 18])
def test_answers_that_are_nearly_all_empty_have_an_interval_that_a_record_can_hold(words: list[float]) -> None:
    found = measure(mean("length_ratio", np.array(words)))
    assert 0 <= found.low <= found.value <= found.high < 1e6
    assert Estimate.model_validate_json(found.model_dump_json()) == found


def test_a_perplexity_beyond_all_bounds_can_be_compared() -> None:
    tokens = np.full(20, 20.0)
    there, gone = perplexity(np.full(20, 60.0), tokens), perplexity(np.linspace(11_000, 13_000, 20), tokens)
    for found in (measure(gone), improvement_of(there, gone), improvement_of(gone, there)):
        assert Estimate.model_validate_json(found.model_dump_json()) == found


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0.01, 500), st.integers(1, 200)), min_size=FEWEST, max_size=60))
def test_any_losses_have_an_interval_around_their_value(pairs: list[tuple[float, int]]) -> None:
    losses, tokens = np.array(pairs).T
    found = measure(perplexity(losses, tokens))
    assert found.low <= found.value * (1 + 1e-9)
    assert found.value <= found.high * (1 + 1e-9)
    assert Estimate.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("name", sorted(METRICS))
def test_an_improvement_and_its_opposite_have_opposite_signs(name: str) -> None:
    there, back = improvement(name, 0.4, 0.5), improvement(name, 0.5, 0.4)
    assert there * back < 0
    assert (there > 0) == (METRICS[name].better != "less")
