"""The gate on variants: decided by its interval, and failing closed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import ModelError, UnmeasuredMetric
from models.card import model_card
from models.contracts import Lineage, Percentiles, VariantCheck, Verdict
from models.gate_kinds import Agrees, LatencyWithin
from tasks.gates import judge
from tasks.metrics.classification import wilson
from tasks.pages import render_html, render_markdown
from tasks.variant_gate import judge_agreement, require_agreement
from tests.tasks.reports import attempt, bootstrapped, observation, run

MS = Percentiles(p50=10, p95=12, p99=15, n=40)
BOTH = ("onnx", "onnx-int8")


def checked(same: int, rows: int, variant: str = "onnx", **changes: object) -> VariantCheck:
    return VariantCheck.model_validate({
        "variant": variant, "bytes": 23_600_000, "agreement": wilson(same, rows), "largest_gap": 0.012, "full_ms": MS,
        "variant_ms": MS.model_copy(update={"p50": 4.0}), "device": "cpu", **changes,
    })  # fmt: skip


def verdict(check: VariantCheck, share: float = 0.95) -> Verdict:
    return judge_agreement([check], Agrees(share=share), variants=["onnx"]).verdict


def test_the_interval_decides_and_few_rows_are_too_little_evidence() -> None:
    assert verdict(checked(985, 1000)) is Verdict.BLESSED
    assert verdict(checked(900, 1000)) is Verdict.REJECTED
    assert verdict(checked(60, 60)) is Verdict.INSUFFICIENT  # all of them, and still no evidence of 95 %


@given(same=st.integers(0, 2000), more=st.integers(0, 400), share=st.floats(0.01, 0.999))
def test_a_variant_is_blessed_exactly_when_the_whole_interval_reaches_the_share(
    same: int, more: int, share: float
) -> None:
    if same + more:
        check = checked(same, same + more)
        assert (verdict(check, share) is Verdict.BLESSED) == (check.agreement.low >= share)
        assert (verdict(check, share) is Verdict.REJECTED) == (check.agreement.high < share)


@pytest.mark.parametrize(
    ("low", "high", "share", "told"),
    [
        (0.9497, 0.98, 0.95, "[94.97%, 98.0%] of 400 rows as the full weights do: the interval holds 95.0%"),
        (0.93, 0.9497, 0.95, "[93.0%, 94.97%] of 400 rows as the full weights do: no part of the interval reaches 95.0%"),
        (0.98, 0.9993, 0.9995, "[98.0%, 99.9%] of 400 rows as the full weights do: no part of the interval reaches 99.95%"),
    ],
)  # fmt: skip
def test_the_interval_reads_as_it_lies_to_the_share_that_the_spec_asks_for(
    low: float, high: float, share: float, told: str
) -> None:
    check = checked(380, 400)
    check = check.model_copy(update={"agreement": check.agreement.model_copy(update={"low": low, "high": high})})
    assert told in judge_agreement([check], Agrees(share=share), variants=["onnx"]).because


def test_so_many_rows_as_it_names_would_do_at_the_same_share() -> None:
    because = judge_agreement([checked(98, 100)], Agrees(), variants=["onnx"]).because
    assert "onnx answers 98.0% [93.0%, 99.4%] of 100 rows as the full weights do" in because
    needed = int(because.split("; ")[-1].split()[0])
    assert judged_low(0.98, needed - 2) < 0.95 <= judged_low(0.98, needed + 2)


def test_counts_are_written_alike_and_one_row_is_spoken_of_as_one() -> None:
    many, one = (
        judge_agreement([found], Agrees(), variants=["onnx"]).because for found in (checked(4800, 5000), checked(1, 1))
    )
    assert "of 5,000 rows as the full weights do" in many
    assert "of 1 row as the full weights do" in one
    assert "1 row is too few to tell" in one


def judged_low(share: float, rows: int) -> float:
    """Wilson's lower bound of a share that need not be a whole number of rows."""
    z2 = 1.959964**2
    middle, half = share + z2 / (2 * rows), (z2 * (share * (1 - share) + z2 / (4 * rows)) / rows) ** 0.5
    return (middle - half) / (1 + z2 / rows)


def test_a_variant_that_nobody_measured_fails_closed_and_is_named() -> None:
    with pytest.raises(UnmeasuredMetric, match="needs the agreement of onnx-int8 with the full weights"):
        judge_agreement([checked(1000, 1000)], Agrees(), variants=BOTH)
    with pytest.raises(UnmeasuredMetric, match="needs the agreement of onnx-int8"):
        judge_agreement([checked(1000, 1000)], Agrees(variant="onnx-int8"), variants=["onnx"])
    with pytest.raises(UnmeasuredMetric, match="needs the agreement of a variant"):
        judge_agreement([checked(1000, 1000)], Agrees(), variants=[])


def test_the_worst_variant_decides_unless_the_gate_names_one() -> None:
    checks = [checked(1000, 1000), checked(900, 1000, "onnx-int8")]
    worst = judge_agreement(checks, Agrees(), variants=BOTH)
    assert (worst.verdict, worst.on) == (Verdict.REJECTED, "variant:onnx-int8")
    assert judge_agreement(checks, Agrees(variant="onnx"), variants=BOTH).verdict is Verdict.BLESSED


def test_a_variant_that_disagrees_stops_the_release_of_a_better_candidate() -> None:
    card = attempt().scorecard.model_copy(update={"variants": (checked(900, 1000),)})
    gates = [LatencyWithin(), Agrees()]
    assert judge.fn(card, gates=gates, variants=["onnx"]).verdict is Verdict.REJECTED
    warned = judge.fn(card, gates=[LatencyWithin(), Agrees(mode="warn")], variants=["onnx"])
    assert (warned.verdict, warned.warnings) == (Verdict.BLESSED, ("variants-agree",))
    with pytest.raises(UnmeasuredMetric):
        judge.fn(attempt().scorecard, gates=gates, variants=["onnx"])


def test_a_first_champions_variants_must_agree_as_well_unless_it_is_forced_or_only_warned_of() -> None:
    bad = [checked(900, 1000)]
    with pytest.raises(ModelError, match=r"no part of the interval reaches 95\.0%; nothing was released"):
        require_agreement(bad, gates=[Agrees()], variants=["onnx"], force=False)
    require_agreement(bad, gates=[Agrees()], variants=["onnx"], force=True)
    require_agreement(bad, gates=[Agrees(mode="warn")], variants=["onnx"], force=False)
    require_agreement([checked(1000, 1000)], gates=[Agrees()], variants=["onnx"], force=False)
    require_agreement([], gates=[LatencyWithin()], variants=[], force=False)


def test_reports_and_the_model_card_show_agreement_gap_time_and_size() -> None:
    check = checked(985, 1000, "onnx-int8")
    tried = attempt()
    tried = tried.model_copy(update={"scorecard": tried.scorecard.model_copy(update={"variants": (check,)})})
    for report in (
        run(observation(accuracy=0.7, gap=0.4), tried),
        bootstrapped().model_copy(update={"variants": (check,)}),
    ):
        for page in (render_html(report), render_markdown(report)):
            assert "Variants beside the full weights" in page
            for told in ("onnx-int8", "98.5% [97.5%, 99.1%]", "0.012", "4.0 ms", "10.0 ms", "23.6 MB"):
                assert told in page
    assert "Variants beside" not in render_html(run(observation(accuracy=0.7, gap=0.4), attempt()))
    lineage = Lineage(run_id="r", spec="{}", spec_digest="d", source="s", window_digest="w", training_digest="t",
                      recipe="full", packages={}, git_commit="c", seed=1)  # fmt: skip
    card = model_card("m", 1, "text-classification", ["a", "b"], [], lineage, variants=[check])
    assert "| onnx-int8 | 23.6 MB | 0.9850 | [0.9754, 0.9909] | 1,000 | 0.012 | 4.0 ms | 10.0 ms |" in card
    assert "## Variants" not in model_card("m", 1, "text-classification", ["a", "b"], [], lineage)
