import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from errors import UnmeasuredMetric
from models.contracts import Comparison, Estimate, Latency, Percentiles, Scorecard, Verdict
from models.gate_kinds import AtLeast, AtMost, Better, Gate, LatencyWithin, NoCollapse, NotWorse, default_gates
from tasks.gates import judge
from tasks.metrics.summed import UNKNOWN


def estimate(value: float, low: float, high: float, n: int = 400) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=n, method="test")


def comparison(on: str, difference: Estimate, metric: str = "accuracy") -> Comparison:
    champion, candidate = estimate(0.8, 0.76, 0.84), estimate(0.8 + difference.value, 0.77, 0.9)
    return Comparison(on=on, metric=metric, champion=champion, candidate=candidate, difference=difference)


def scorecard(*comparisons: Comparison, factor: float = 1.0) -> Scorecard:
    base = Percentiles(p50=10, p95=12, p99=15, n=40)
    latency = Latency(champion=base, candidate=base.model_copy(update={"p50": 10 * factor}))
    return Scorecard(comparisons=comparisons, latency=latency, label_agreement=0.9)


GOOD = (
    comparison("current", estimate(0.08, 0.04, 0.12)),
    comparison("reference", estimate(0.0, -0.01, 0.01)),
    comparison("slice:label=positive", estimate(0.01, -0.03, 0.05)),
)


def verdict_of(card: Scorecard, *gates: object) -> Verdict:
    return judge.fn(card, gates=gates).verdict


def test_a_candidate_that_is_better_and_forgets_nothing_is_blessed() -> None:
    assert verdict_of(scorecard(*GOOD), *default_gates()) is Verdict.BLESSED


WORSE = comparison("reference", estimate(-0.2, -0.25, -0.15))


def test_a_gate_that_warns_leaves_the_verdict_alone_and_the_promotion_to_a_person() -> None:
    card = scorecard(GOOD[0], WORSE, GOOD[2])
    blessing = judge.fn(card, gates=[Better(), NotWorse(mode="warn")])
    assert blessing.verdict is Verdict.BLESSED
    assert blessing.warnings == ("not-worse",)
    assert not blessing.promotes_by_itself


def test_a_warning_promotes_nothing_that_enforcing_would_have_stopped() -> None:
    for kind in (Better, NotWorse, NoCollapse):
        for difference in (estimate(-0.2, -0.25, -0.15), estimate(-0.01, -0.3, 0.3), GOOD[0].difference):
            card = scorecard(*(comparison(on, difference) for on in ("current", "reference", "slice:a=b")))
            enforced, warned = (judge.fn(card, gates=[kind(mode=m), LatencyWithin()]) for m in ("enforce", "warn"))
            assert warned.promotes_by_itself is (enforced.verdict is Verdict.BLESSED)


def test_a_gate_that_is_off_is_not_judged_and_is_named() -> None:
    blessing = judge.fn(scorecard(GOOD[0], WORSE, GOOD[2]), gates=[Better(), NotWorse(mode="off")])
    assert blessing.promotes_by_itself
    assert blessing.off == ("not-worse",)


def test_gates_that_are_all_off_bless_nothing() -> None:
    with pytest.raises(UnmeasuredMetric, match="all are off"):
        judge.fn(scorecard(*GOOD), gates=[Better(mode="off")])


def test_a_metric_that_a_warning_needs_and_nobody_measured_fails_closed_as_well() -> None:
    with pytest.raises(UnmeasuredMetric, match="macro_f1 on current"):
        judge.fn(scorecard(*GOOD), gates=[LatencyWithin(), Better(metric="macro_f1", mode="warn")])


def test_an_empty_list_of_gates_blesses_nothing() -> None:
    with pytest.raises(UnmeasuredMetric, match="empty"):
        judge.fn(scorecard(*GOOD), gates=())


def test_a_metric_that_nobody_measured_fails_closed_and_is_named() -> None:
    with pytest.raises(UnmeasuredMetric, match="macro_f1 on current"):
        judge.fn(scorecard(*GOOD), gates=[Better(metric="macro_f1")])


def test_an_interval_that_holds_the_margin_is_insufficient_evidence_and_says_how_many_rows_would_do() -> None:
    blessing = judge.fn(scorecard(comparison("current", estimate(0.02, -0.02, 0.06))), gates=[Better()])
    assert blessing.verdict is Verdict.INSUFFICIENT
    assert "about 3,410 would do" in blessing.gates[0].because


def test_of_what_may_change_by_any_factor_so_many_rows_are_said_to_do_as_its_spread_asks_for() -> None:
    """Ten per cent better, of rows that part by 161 %: a share's rows part by no more than 100 points."""
    parts = comparison("current", estimate(0.1, -0.4, 0.6, n=40), metric="perplexity")
    because = judge.fn(scorecard(parts), gates=[Better()]).gates[0].because
    exact = (stats.norm.isf(0.025) + stats.norm.isf(0.19)) ** 2 * 40 * (0.5 / 1.96) ** 2 / 0.1**2
    assert int(because.split("about ")[1].split()[0].replace(",", "")) == pytest.approx(exact, rel=0.03)
    for value in (0.1, 0.25777203613590427, 0.7):
        unknown = comparison("current", estimate(value, value - UNKNOWN, 1.0, n=5), metric="perplexity")
        assert judge.fn(scorecard(unknown), gates=[Better()]).gates[0].because.endswith("5 rows are too few to tell")


def test_a_difference_of_nothing_has_no_minus() -> None:
    (gate,) = judge.fn(scorecard(comparison("current", estimate(-0.0002, -0.02, 0.02))), gates=[Better()]).gates
    assert "minus champion +0.0 points [-2.0 points, +2.0 points]" in gate.because


def test_forgetting_beyond_the_tolerance_is_rejected_although_the_new_rows_got_better() -> None:
    card = scorecard(GOOD[0], comparison("reference", estimate(-0.2, -0.25, -0.15)), GOOD[2])
    assert verdict_of(card, *default_gates()) is Verdict.REJECTED


def test_a_rejection_outweighs_missing_evidence() -> None:
    card = scorecard(
        comparison("current", estimate(0.0, -0.1, 0.1)), comparison("reference", estimate(-0.2, -0.3, -0.1))
    )
    assert verdict_of(card, Better(), NotWorse()) is Verdict.REJECTED


def test_one_collapsed_slice_stops_a_release_and_is_named() -> None:
    card = scorecard(*GOOD[:2], comparison("slice:label=negative", estimate(-0.3, -0.4, -0.2)))
    blessing = judge.fn(card, gates=[NoCollapse()])
    assert blessing.verdict is Verdict.REJECTED
    assert "slice:label=negative" in blessing.gates[0].because


def test_a_slice_s_name_moves_no_number_and_no_cursor() -> None:
    card = scorecard(*GOOD[:2], comparison("slice:land=ישראל", estimate(-0.3, -0.4, -0.2)))
    because = judge.fn(card, gates=[NoCollapse()]).gates[0].because
    escape = scorecard(*GOOD[:2], comparison("slice:land=\x1b[2J", estimate(-0.3, -0.4, -0.2)))
    assert "worst is slice:land=\ufffd[2J -30.0" in judge.fn(escape, gates=[NoCollapse()]).gates[0].because
    assert "collapsed: \u2068slice:land=ישראל\u2069; worst is \u2068slice:land=ישראל\u2069 -30.0 points" in because


def test_slices_that_are_all_too_small_are_insufficient_evidence() -> None:
    card = scorecard(*GOOD[:2], comparison("slice:label=negative", estimate(0, -1, 1, n=5)))
    assert verdict_of(card, NoCollapse()) is Verdict.INSUFFICIENT


def test_slices_that_nobody_measured_fail_closed() -> None:
    with pytest.raises(UnmeasuredMetric, match="no slice was measured"):
        judge.fn(scorecard(*GOOD[:2]), gates=[NoCollapse()])
    with pytest.raises(UnmeasuredMetric, match="macro_f1 per slice"):
        judge.fn(scorecard(*GOOD), gates=[NoCollapse(metric="macro_f1")])


def test_a_slice_collapses_only_where_its_loss_is_shown_and_is_beyond_the_tolerance() -> None:
    for difference in (estimate(-0.06, -0.13, 0.01), estimate(-0.04, -0.05, -0.03)):
        assert verdict_of(scorecard(*GOOD[:2], comparison("slice:a=b", difference)), NoCollapse()) is Verdict.BLESSED


EDGES = [
    (Better(margin=0.25), "current", estimate(0.5, 0.25, 0.75), Verdict.INSUFFICIENT),
    (Better(margin=0.25), "current", estimate(0.125, 0, 0.25), Verdict.REJECTED),
    (NotWorse(tolerance=0.25), "reference", estimate(0, -0.25, 0.25), Verdict.BLESSED),
    (NotWorse(tolerance=0.25), "reference", estimate(-0.5, -0.75, -0.25), Verdict.REJECTED),
    (NoCollapse(tolerance=0.25), "slice:a=b", estimate(-0.25, -0.3, -0.2), Verdict.BLESSED),
    (NoCollapse(tolerance=0.25), "slice:a=b", estimate(-0.5, -1, 0), Verdict.BLESSED),
    (NoCollapse(min_rows=400), "slice:a=b", estimate(-0.5, -0.75, -0.25), Verdict.REJECTED),
    (NoCollapse(min_rows=401), "slice:a=b", estimate(-0.5, -0.75, -0.25), Verdict.INSUFFICIENT),
]  # fmt: skip


@pytest.mark.parametrize(("gate", "on", "difference", "verdict"), EDGES)
def test_an_interval_that_ends_at_a_limit_is_judged_as_the_gate_says(
    gate: Gate, on: str, difference: Estimate, verdict: Verdict
) -> None:
    assert verdict_of(scorecard(comparison(on, difference)), gate) is verdict


@pytest.mark.parametrize(("low", "high", "said"), [(5e-324, 0.114, "lies just above +0.0 points"),
                                                   (0.001, 0.114, "lies above +0.0 points"),
                                                   (-0.114, -1e-9, "lies just below +0.0 points")])  # fmt: skip
def test_an_interval_that_ends_so_near_a_limit_that_both_are_told_alike_is_told_as_near(
    low: float, high: float, said: str
) -> None:
    card = scorecard(comparison("current", estimate((low + high) / 2, low, high)))
    assert judge.fn(card, gates=[Better()]).gates[0].because.endswith(said)


def test_the_worst_slice_that_is_told_is_one_that_was_judged() -> None:
    few = comparison("slice:label=negative", estimate(-0.3, -0.9, 0.3, n=5))
    (gate,) = judge.fn(scorecard(*GOOD, few), gates=[NoCollapse()]).gates
    assert (gate.on, gate.limit) == ("slice:label=positive", -0.05)
    assert "the only slice of at least 30 rows did not collapse: slice:label=positive" in gate.because


def test_a_gate_that_names_no_metric_judges_the_first_and_tells_it_and_its_rows() -> None:
    second = comparison("current", estimate(-0.2, -0.25, -0.15), metric="macro_f1")
    (gate,) = judge.fn(scorecard(*GOOD, second), gates=[Better()]).gates
    assert (gate.verdict, gate.metric, gate.on) == (Verdict.BLESSED, "accuracy", "current")
    assert gate.because.startswith("candidate minus champion +8.0 points")
    less = comparison("current", estimate(0.08, 0.04, 0.12), metric="perplexity")
    assert judge.fn(scorecard(less), gates=[Better()]).gates[0].because.startswith("better by +8.0 %")


def test_a_candidate_as_slow_as_is_allowed_is_blessed() -> None:
    assert verdict_of(scorecard(*GOOD, factor=1.5), LatencyWithin(factor=1.5)) is Verdict.BLESSED


def test_a_slower_candidate_is_rejected() -> None:
    assert verdict_of(scorecard(*GOOD, factor=2.0), LatencyWithin(factor=1.5)) is Verdict.REJECTED


def test_a_floor_is_judged_by_the_interval_of_the_candidate() -> None:
    assert verdict_of(scorecard(*GOOD), AtLeast(value=0.7)) is Verdict.BLESSED
    assert verdict_of(scorecard(*GOOD), AtLeast(value=0.8)) is Verdict.INSUFFICIENT
    assert verdict_of(scorecard(*GOOD), AtLeast(value=0.95)) is Verdict.REJECTED


@given(value=st.floats(-1, 1), half=st.floats(0.001, 0.5), margin=st.floats(0, 0.5))
def test_better_is_blessed_exactly_when_the_whole_interval_clears_the_margin(
    value: float, half: float, margin: float
) -> None:
    card = scorecard(comparison("current", estimate(value, value - half, value + half)))
    assert (verdict_of(card, Better(margin=margin)) is Verdict.BLESSED) == (value - half > margin)


@given(value=st.floats(-1, 1), half=st.floats(0.001, 0.5), tolerance=st.floats(0, 0.5))
def test_not_worse_is_blessed_exactly_when_the_whole_interval_lies_within_the_tolerance(
    value: float, half: float, tolerance: float
) -> None:
    low, high = value - half, value + half
    verdict = verdict_of(scorecard(comparison("reference", estimate(value, low, high))), NotWorse(tolerance=tolerance))
    assert (verdict is Verdict.BLESSED) == (low >= -tolerance)
    assert (verdict is Verdict.REJECTED) == (high <= -tolerance)


@given(value=st.floats(0, 1), half=st.floats(0.001, 0.5), limit=st.floats(0, 1))
def test_a_ceiling_is_kept_exactly_when_the_whole_interval_of_the_candidate_keeps_it(
    value: float, half: float, limit: float
) -> None:
    measured = comparison("current", estimate(0, -0.1, 0.1), metric="repetition")
    card = scorecard(measured.model_copy(update={"candidate": estimate(value, value - half, value + half)}))
    verdict = verdict_of(card, AtMost(metric="repetition", value=limit))
    assert (verdict is Verdict.BLESSED) == (value + half <= limit)
    assert (verdict is Verdict.REJECTED) == (value - half > limit)


def test_one_row_is_told_as_one() -> None:
    slim = comparison("slice:shop=north", estimate(-0.1, -1.0, 0.9, n=1))
    told = judge.fn(scorecard(slim), gates=[NoCollapse(min_rows=1, tolerance=0.5)]).gates[0].because
    assert told.endswith("did not collapse: slice:shop=north -10.0 points (1 row)")
    few = comparison("current", estimate(0.0, -1.0, 1.0, n=1))
    assert "1 row is too few to tell" in judge.fn(scorecard(few), gates=[Better()]).gates[0].because


def test_a_limit_is_told_as_the_spec_has_it_and_what_misses_it_does_not_read_like_it() -> None:
    for gate, found, told in (
        (
            AtLeast(metric="accuracy", value=0.88),
            estimate(0.8797, 0.8795, 0.8799),
            "87.97% against at least 88.0%: no part",
        ),
        (
            AtMost(metric="error_rate", value=0.0005),
            estimate(0.0008, 0.0007, 0.001),
            "0.1% against at most 0.05%: no part",
        ),
        (
            AtLeast(metric="accuracy", value=0.8525),
            estimate(0.9, 0.88, 0.92),
            "90.0% against at least 85.25%: the whole",
        ),
    ):
        card = scorecard(
            comparison("current", estimate(0.0, 0.0, 0.0), gate.metric or "").model_copy(update={"candidate": found})
        )
        assert judge.fn(card, gates=[gate]).gates[0].because.startswith(told)


def test_a_margin_is_told_as_the_spec_has_it() -> None:
    gate, found = NotWorse(on="current", tolerance=0.0025), comparison("current", estimate(0.0, -0.01, 0.01))
    assert "holds -0.25 points" in judge.fn(scorecard(found), gates=[gate]).gates[0].because
    assert (
        "holds -2.0 points"
        in judge.fn(
            scorecard(comparison("current", estimate(0.0, -0.1, 0.1))), gates=[NotWorse(on="current", tolerance=0.02)]
        )
        .gates[0]
        .because
    )


def test_a_latency_that_is_hardly_too_long_does_not_read_like_its_limit() -> None:
    for factor, told in (
        (1.504, "factor just above 1.5, at most 1.5"),
        (1.496, "factor 1.50, at most 1.5"),
        (1.52, "factor 1.52, at most 1.5"),
    ):
        result = judge.fn(scorecard(*GOOD, factor=factor), gates=[LatencyWithin()]).gates[0]
        assert result.because.endswith(told)
        assert (result.verdict is Verdict.BLESSED) == (factor <= 1.5)
