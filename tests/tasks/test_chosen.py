import numpy as np
import pytest
from scipy import stats

from models.contracts import Comparison, Estimate, Evidence, Latency, Percentiles, QualityCheck, Scorecard
from models.gate_kinds import AtLeast, AtMost, Better, Gate, NotWorse
from tasks.chosen import flattered, without_luck
from tasks.gates import judge
from tasks.metrics.classification import accuracy_fell, wilson
from tasks.metrics.labels import power_of_labels, spread_of_loss
from tasks.metrics.luck import level_before
from tasks.metrics.paired import score_interval
from tasks.metrics.summed import got_worse

FISHER = "Fisher's exact test, one-sided"


def evidence(*gates: Gate, compared: Comparison, besides: tuple[Comparison, ...] = ()) -> Evidence:
    once = Percentiles(p50=10, p95=12, p99=15, n=40)
    card = Scorecard(
        comparisons=(compared, *besides), latency=Latency(champion=once, candidate=once), label_agreement=0.9
    )
    return Evidence(scorecard=card, blessing=judge.fn(card, gates=gates))


def gained(more: int, *, on: str = "current", discordant: int = 60) -> Comparison:
    """Of 400 sealed rows the candidate gets so many more right than the champion's 320."""
    won = (discordant + more) // 2
    return Comparison(on=on, metric="accuracy", champion=wilson(320, 400), candidate=wilson(320 + more, 400),
                      difference=score_interval(won, won - more, 400))  # fmt: skip


def fallen(points: float, compared: Comparison) -> QualityCheck:
    """A window of 1,000 labels behind that release."""
    then = compared.candidate
    now = wilson(round(1000 * (then.value - points)), 1000)
    p_value = accuracy_fell(round(now.value * 1000), 1000, round(then.value * 400), 400)
    return QualityCheck(metric="accuracy", now=now, at_release=then, p_value=p_value, test=FISHER)


def test_a_drop_after_a_narrow_release_proves_less_and_says_what_was_taken_off() -> None:
    compared = gained(18)
    check = fallen(0.06, compared)
    found = without_luck(check, evidence(Better(), compared=compared))
    assert check.p_value < 0.01 < found.p_value < 0.2
    assert found.test == f"{FISHER}; 1.9 points of luck at the release taken off"
    assert (found.now, found.at_release) == (check.now, check.at_release)


@pytest.mark.parametrize("labels", [400, 1000])
def test_the_power_of_labels_is_how_often_the_test_without_luck_finds_the_drop(labels: int) -> None:
    """Of what was truly as good as its number less its luck."""
    compared = gained(18)
    then, why = compared.candidate, evidence(Better(), compared=compared)
    chosen = flattered("accuracy", why)
    assert chosen is not None
    level = level_before(0.01, chosen, spread=spread_of_loss(labels, then, metric="accuracy"))
    told = power_of_labels(labels, accuracy_then=then.value, rows_then=400, drop=0.08, p_value=level, luck=chosen.luck)
    truth = then.value - chosen.luck - 0.08
    likely = np.arange(*stats.binom.interval(0.999, labels, truth), 3, dtype=int)
    released_with = stats.binom.ppf((np.arange(8) + 0.5) / 8, 400, then.value).astype(int)
    found = [[proves(right, labels, was, why) for right in likely] for was in released_with]
    exact = float(
        np.mean(found, 0) @ stats.binom.pmf(likely, labels, truth) / stats.binom.pmf(likely, labels, truth).sum()
    )
    assert told == pytest.approx(exact, abs=0.04)
    assert told < power_of_labels(labels, accuracy_then=then.value, rows_then=400, drop=0.08) - 0.05


def proves(right: int, labels: int, was: int, why: Evidence) -> bool:
    p_value = accuracy_fell(right, labels, was, 400)
    check = QualityCheck(
        metric="accuracy", now=wilson(right, labels), at_release=wilson(was, 400), p_value=p_value, test=FISHER
    )
    return without_luck(check, why).p_value < 0.01


def test_a_large_drop_is_proven_all_the_same() -> None:
    compared = gained(18)
    assert without_luck(fallen(0.15, compared), evidence(Better(), compared=compared)).p_value < 1e-4


def test_a_release_by_far_owes_next_to_nothing_to_luck() -> None:
    compared = gained(70, discordant=90)
    check = fallen(0.06, compared)
    assert without_luck(check, evidence(Better(), compared=compared)) == check


def test_a_gate_that_forgives_more_flatters_less() -> None:
    compared = gained(18)
    check = fallen(0.06, compared)
    strict, lenient = (without_luck(check, evidence(gate, compared=compared)).p_value
                       for gate in (Better(), NotWorse(on="current", tolerance=0.05)))  # fmt: skip
    both = without_luck(check, evidence(NotWorse(on="current"), Better(), compared=compared)).p_value
    assert check.p_value <= lenient < strict == both


def test_a_number_that_had_to_reach_another_was_chosen_as_well() -> None:
    compared = gained(18)  # 84.5 % on 400 rows, from 80.6 % on
    check = fallen(0.06, compared)
    reached = without_luck(check, evidence(AtLeast(value=0.8), compared=compared))
    assert reached.p_value > check.p_value
    assert without_luck(check, evidence(AtLeast(value=0.5), compared=compared)) == check


def test_a_perplexity_that_was_low_by_luck_is_taken_to_have_been_higher() -> None:
    def perplexity(value: float) -> Estimate:
        return Estimate(value=value, low=value / 1.1, high=value * 1.1, n=400, method="jackknife")

    better = Estimate(value=0.05, low=0.005, high=0.095, n=400, method="paired jackknife, 95.0% interval")
    compared = Comparison(
        on="current", metric="perplexity", champion=perplexity(20), candidate=perplexity(19), difference=better
    )
    now = perplexity(22.5)
    check = QualityCheck(metric="perplexity", now=now, at_release=compared.candidate,
                         p_value=got_worse("perplexity", now, compared.candidate), test="one-sided, Welch")  # fmt: skip
    for gate in (Better(), AtMost(value=21)):
        found = without_luck(check, evidence(gate, compared=compared))
        assert found.p_value > check.p_value
        assert "% of luck at the release taken off" in found.test


@pytest.mark.parametrize("gate", [Better(), AtLeast(value=0.9)])
def test_what_did_not_pass_its_gate_was_not_chosen_by_it(gate: Gate) -> None:
    """A person promoted it."""
    compared = gained(4)
    check = fallen(0.06, compared)
    assert without_luck(check, evidence(gate, compared=compared)) == check


def test_only_a_gate_on_the_newest_rows_flatters_and_only_the_metric_that_it_names() -> None:
    compared = gained(18)
    check = fallen(0.06, compared)
    others = (gained(18, on="reference"), compared.model_copy(update={"metric": "macro_f1"}))
    gates = (Better(on="reference"), Better(metric="macro_f1"))
    assert without_luck(check, evidence(*gates, compared=compared, besides=others)) == check


def test_a_difference_without_an_error_holds_no_luck() -> None:
    sure = Estimate(value=0.05, low=0.05, high=0.05, n=400, method="each row differs alike")
    compared = gained(18).model_copy(update={"difference": sure})
    check = fallen(0.06, compared)
    assert without_luck(check, evidence(Better(), compared=compared)) == check


def test_who_was_chosen_from_nothing_or_by_other_rows_was_not_flattered() -> None:
    compared = gained(18)
    check = fallen(0.06, compared)
    assert without_luck(check, None) == check
    assert without_luck(check, evidence(Better(on="reference"), compared=gained(18, on="reference"))) == check
