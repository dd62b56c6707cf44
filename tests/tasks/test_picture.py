"""The picture on a run's Prefect page is a whole SVG that says what the records say."""

import base64
import re
from xml.etree import ElementTree

import pytest

from models.contracts import Outcome, RunReport
from tasks.picture import CHANGED_KEY, MOST, MOVED_KEY, picture_of
from tests.tasks.reports import OUTCOMES, attempt, comparison, observation, report_of, run

SVG = "{http://www.w3.org/2000/svg}"


def drawn(report: RunReport) -> list[ElementTree.Element]:
    picture = picture_of(report) or ""
    found = re.findall(r"!\[[^]]+\]\(data:image/svg\+xml;base64,([\w+/=]+)\)", picture)
    return [ElementTree.fromstring(base64.b64decode(each)) for each in found]


@pytest.mark.parametrize("outcome", [o for o in OUTCOMES if o is not Outcome.BOOTSTRAPPED])
def test_every_signal_and_comparison_of_a_run_is_drawn_inside_the_picture(outcome: Outcome) -> None:
    report = report_of(outcome)
    assert isinstance(report, RunReport)
    panels = drawn(report)
    assert len(panels) == (report.observation is not None) + (report.attempt is not None)
    for panel in panels:
        width, height = float(panel.attrib["width"]), float(panel.attrib["height"])
        for mark in panel.iter(f"{SVG}rect"):
            assert 0 <= float(mark.attrib["x"]) <= float(mark.attrib["x"]) + float(mark.attrib["width"]) <= width
            assert 0 <= float(mark.attrib["y"]) <= height
    told = " ".join(text.text or "" for panel in panels for text in panel.iter(f"{SVG}text"))
    if report.observation:
        assert all(s.name[:30] in told for s in report.observation.drift.signals[:MOST])
    if report.attempt:
        assert "new rows, accuracy" in told
        assert "current" not in told
    assert all(key in (picture_of(report) or "") for key in (MOVED_KEY, CHANGED_KEY)[: len(panels)])


def test_the_slices_that_lost_most_are_in_the_picture_and_a_name_that_is_cut_says_so() -> None:
    slices = [comparison(f"slice:a rather long country={i:02}", gain) for i, gain in enumerate([0.1] * 20 + [-0.3])]
    (_, changed) = drawn(run(observation(accuracy=0.7), attempt(slices=slices)))
    told = [text.text for text in changed.iter(f"{SVG}text")]
    assert told[:7:2] == [
        "new rows, accuracy",
        "new rows, macro F1",
        "earlier rows, accuracy",
        "a rather long country=20, acc…",
    ]
    assert told[7] == "-30.0 [-34.0, -26.0] points"
    assert len(told) == 2 * MOST


@pytest.mark.parametrize(
    ("name", "shown"),
    [("<b>&", "<b>&"), ("评论" * 20, "评论" * 7 + "…"), ("land=\x1bA\x0b\x00\uffff", "land=\ufffdA" + 3 * "\ufffd")],
)
def test_a_name_with_markup_wide_letters_or_control_characters_in_it_stays_a_name(name: str, shown: str) -> None:
    report = report_of(Outcome.HELD)
    assert isinstance(report, RunReport)
    assert report.observation is not None
    drift = report.observation.drift
    odd = drift.signals[0].model_copy(update={"name": name})
    seen = report.observation.model_copy(update={"drift": drift.model_copy(update={"signals": (odd,)})})
    (panel,) = drawn(report.model_copy(update={"observation": seen}))
    assert next(text.text for text in panel.iter(f"{SVG}text")) == shown
