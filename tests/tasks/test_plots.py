"""The drawings, read back: what stands in the SVG must be where the numbers say."""

from itertools import pairwise
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contracts import CurvePoint, DriftSignal, StageTime
from models.gate_kinds import AtLeast, NoCollapse, NotWorse
from tasks.charts import draw_curve, draw_parts, draw_stage, kept_step
from tasks.drift_plots import draw_effect, draw_p_value, rank_signals, surprise_axis
from tasks.pages import render_markdown
from tasks.plots import (
    Limits,
    differences_axis,
    draw_difference,
    draw_values,
    scale_differences,
    scale_values,
    values_axis,
)
from tasks.svg import Axis
from tests.tasks.reports import attempt, comparison, estimate, observation, run, signal


def percent(mark: Element, name: str) -> float:
    return float(mark.attrib[name].removesuffix("%"))


def marks(svg: str, kind: str) -> list[Element]:
    """Marks whose classes include `kind`."""
    return [m for m in fromstring(svg).iter() if kind in m.attrib.get("class", "").split()]


def interval(svg: str, kind: str = "interval") -> tuple[float, float]:
    (line,) = marks(svg, kind) if kind == "interval" else [m for m in marks(svg, kind) if m.tag == "line"]
    return percent(line, "x1"), percent(line, "x2")


@given(value=st.floats(-0.4, 0.4), half=st.floats(0.001, 0.2), limit=st.floats(-0.3, 0.3))
def test_a_difference_its_interval_the_zero_and_the_limit_share_one_scale(
    value: float, half: float, limit: float
) -> None:
    compared = comparison("current", value, half=half)
    axis = differences_axis([compared], [limit])
    svg = draw_difference(compared.difference, axis, limits={"better": limit})
    zero, (low, high) = percent(marks(svg, "zero")[0], "x1"), interval(svg)
    a_point = (high - low) / (2 * half)
    assert zero == pytest.approx(50, abs=0.01)
    assert 0 <= low <= high <= 100
    assert percent(marks(svg, "dot")[0], "cx") == pytest.approx(
        zero + a_point * value, abs=0.1 + abs(value) / half * 0.02
    )
    assert percent(marks(svg, "limit")[0], "x1") == pytest.approx(
        zero + a_point * limit, abs=0.1 + abs(limit) / half * 0.02
    )


def test_a_difference_is_coloured_by_what_its_interval_shows() -> None:
    axis = Axis(-0.5, 0.5)
    for value, kind in ((0.1, "better"), (-0.1, "worse"), (0.01, "open")):
        assert marks(draw_difference(estimate(value), axis), kind)


def test_both_models_are_drawn_on_the_same_scale_one_above_the_other() -> None:
    before, after = estimate(0.70, 0.05), estimate(0.80, 0.02)
    axis = values_axis([before, after])
    assert axis
    svg = draw_values(before, after, axis, names=("champion", "candidate"))
    wide, narrow = interval(svg, "before"), interval(svg, "after")
    assert wide[1] - wide[0] == pytest.approx(2.5 * (narrow[1] - narrow[0]), abs=0.05)
    assert wide == pytest.approx((axis.at(0.65), axis.at(0.75)), abs=0.01)
    upper, lower = (float(d.attrib["cy"]) for d in marks(svg, "dot"))
    assert upper < lower


WIDTHS = {"%": 11.0, "+": 9.7, "-": 4.2, ".": 3.7}
"""Of letters at the page's size of a tick; a digit has 7.4."""


def room_between(scale: str, width: float) -> float:
    """The least between two numbers of an axis that a narrow page shows, in pixels."""
    ends = []
    for tick in (m for m in marks(scale, "tick") if "spare" not in m.attrib["class"]):
        long = sum(WIDTHS.get(letter, 7.4) for letter in tick.text or "")
        begin = (
            percent(tick, "x") * width / 100 - {"start": 0, "middle": 0.5, "end": 1}[tick.attrib["text-anchor"]] * long
        )
        ends.append((begin, begin + long))
    return min(b[0] - a[1] for a, b in pairwise(ends))


def test_the_numbers_of_an_axis_do_not_touch_on_a_telephone() -> None:
    shares = [Axis(low / 20, high / 20) for low in range(20) for high in range(low + 1, 21)]
    differences = [Axis(-1.1 * reach / 100, 1.1 * reach / 100) for reach in range(2, 101)]
    scales = [*map(scale_values, shares), *map(scale_differences, differences)]
    assert min(room_between(scale, 134) for scale in scales) > 2


def test_a_small_slice_s_interval_goes_on_beyond_the_axis_and_leaves_room_for_the_rest() -> None:
    whole, small = comparison("current", 0.02, half=0.01), comparison("slice:two rows", 0.0, half=0.9)
    axis = differences_axis([whole, small])
    low, high = interval(draw_difference(whole.difference, axis))
    assert high - low > 10
    assert len(marks(draw_difference(small.difference, axis), "arrow")) == 2
    assert not marks(draw_difference(whole.difference, axis), "arrow")


def test_a_limit_is_marked_where_its_gate_applies_and_nowhere_else() -> None:
    slices = [comparison("slice:a", 0.01), comparison("slice:b", 0.02)]
    tried = attempt(
        slices=slices, gates=[NotWorse(name="keep", tolerance=0.05), NoCollapse(name="slices", tolerance=0.1)]
    )
    found = {(c.on, c.metric): Limits.on(c, tried.blessing.gates).difference for c in tried.scorecard.comparisons}
    assert found == {
        ("current", "accuracy"): {}, ("current", "macro_f1"): {}, ("reference", "accuracy"): {"keep": -0.05},
        ("slice:a", "accuracy"): {"slices": -0.1}, ("slice:b", "accuracy"): {"slices": -0.1},
    }  # fmt: skip


def test_a_limit_is_written_as_the_spec_has_it_beside_its_mark_too() -> None:
    gates = [
        NotWorse(name="keep", tolerance=0.0255),
        AtLeast(name="floor", on="current", metric="accuracy", value=0.8025),
    ]
    tried = attempt(gates=gates)
    limits = [Limits.on(c, tried.blessing.gates) for c in tried.scorecard.comparisons]
    axis = Axis(0, 1)
    drawn = "".join(
        draw_difference(estimate(0.1), axis, limits=found.difference)
        + draw_values(estimate(0.7), estimate(0.8), axis, names=("champion", "candidate"), limits=found.value)
        for found in limits
    )
    assert "gate keep: limit -2.55 points" in drawn and "gate floor: at least 80.25%" in drawn
    table = render_markdown(run(observation(accuracy=0.7, gap=0.4), tried))
    assert "| keep -2.55 |" in table and "floor: candidate at least 80.25% |" in table


def reaches(svg: str) -> bool:
    """Whether the bar ends at or beyond its mark."""
    track, bar = (m for m in fromstring(svg).iter("rect"))
    assert "track" in track.attrib["class"]
    return percent(bar, "width") >= percent(marks(svg, "limit")[0], "x1")


@given(
    p=st.floats(1e-12, 1), threshold=st.floats(1e-6, 0.05), effect=st.floats(0, 1), floor=st.floats(0.01, 0.9),
    name=st.sampled_from(["largest gap", "AUC"]),
)  # fmt: skip
def test_a_signal_has_drifted_exactly_when_both_bars_reach_their_marks(
    p: float, threshold: float, effect: float, floor: float, name: str
) -> None:
    asked = signal("words", p=p, effect=effect, effect_name=name, floor=max(floor, 0.51 if name == "AUC" else 0))
    asked = asked.model_copy(update={"threshold": threshold})
    close = abs(p / threshold - 1) < 0.01 or abs(asked.effect - asked.floor) < 1e-3
    drawn = reaches(draw_effect(asked)) and reaches(draw_p_value(asked, surprise_axis([asked])))
    assert close or drawn == asked.drifted
    assert bool(marks(draw_effect(asked), "moved")) == asked.drifted


def test_a_p_value_of_zero_and_a_floor_of_zero_are_drawn() -> None:
    asked = signal("words", p=0.0, effect=1.0, floor=0.0)
    svg = draw_p_value(asked, surprise_axis([asked]))
    assert percent(marks(svg, "moved")[0], "width") == 100
    assert rank_signals([asked]) == [asked]


def test_signals_are_ranked_by_whether_they_drifted_and_by_the_effect_against_its_floor() -> None:
    def asked(name: str, **options: float | str) -> DriftSignal:
        return signal(name, **{"p": 1e-9, "effect": 0.3, **options})  # type: ignore[arg-type]

    ranked = rank_signals([
        asked("large, but chance", p=0.5, effect=0.9), asked("small", effect=0.07), asked("quiet", p=0.5, effect=0.01),
        asked("fewest permutations", p=0.0009, effect=0.9, effect_name="AUC", floor=0.54), asked("middling"),
    ])  # fmt: skip
    assert [s.name for s in ranked] == ["fewest permutations", "middling", "small", "large, but chance", "quiet"]


def points(*losses: tuple[int, float | None, float | None]) -> list[CurvePoint]:
    return [CurvePoint(step=s, train_loss=t, validation_loss=v, validation_accuracy=None) for s, t, v in losses]


def test_the_curve_falls_where_the_loss_falls_and_marks_the_step_that_was_kept() -> None:
    curve = points((10, 0.9, 0.8), (20, 0.5, 0.4), (30, 0.3, 0.6))
    svg = draw_curve(curve)
    dots = [m for m in marks(svg, "validation") if m.tag == "circle"]
    down = [float(d.attrib["cy"]) for d in dots]
    across = [percent(d, "cx") for d in dots]
    assert down[1] > down[2] > down[0]
    assert (down[1] - down[0]) == pytest.approx(2 * (down[1] - down[2]), abs=0.2)
    assert across[2] - across[1] == pytest.approx(across[1] - across[0], abs=0.02)
    assert percent(marks(svg, "limit")[0], "x1") == across[1]
    assert "step 20 kept" in "".join(fromstring(svg).itertext())


def test_a_curve_without_losses_or_with_one_point_is_drawn() -> None:
    assert kept_step(points((10, 0.5, None))) is None
    for curve in ([], points((10, None, None)), points((10, 0.5, 0.5))):
        assert fromstring(draw_curve(curve)).attrib["aria-label"]


def test_stages_follow_one_another_across_the_run_s_time() -> None:
    stages = [StageTime(stage=str(i), seconds=s, reused=i == 1) for i, s in enumerate((1.0, 3.0, 4.0))]
    bars = [list(fromstring(draw_stage(stages, i)).iter("rect"))[1] for i in range(3)]
    assert [percent(b, "x") for b in bars] == [0, 12.5, 50]
    assert [percent(b, "width") for b in bars] == [12.5, 37.5, 50]
    assert ["reused" in b.attrib["class"] for b in bars] == [False, True, False]


def test_parts_add_up_to_the_whole_bar_and_nothing_is_drawn_for_none() -> None:
    bars = list(fromstring(draw_parts({"new": 30, "replayed": 0, "removed": 10})).iter("rect"))
    assert [(percent(b, "x"), percent(b, "width")) for b in bars] == [(0, 75), (75, 25)]
    assert fromstring(draw_parts({"kept": 0})).attrib["aria-label"] == "kept 0 rows"


@given(low=st.floats(-1, 1), width=st.floats(0.01, 2), most=st.integers(2, 8))
def test_ticks_are_few_rising_and_within_the_axis(low: float, width: float, most: int) -> None:
    axis = Axis(low, low + width)
    ticks = axis.ticks(most)
    assert ticks == sorted(set(ticks))
    assert 1 <= len(ticks) <= most
    assert all(low - 1e-6 <= tick <= low + width + 1e-6 for tick in ticks)
