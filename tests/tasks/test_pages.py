import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from flows.story import tell
from models.contracts import (
    Asked,
    Attempt,
    BootstrapReport,
    Comparison,
    CurvePoint,
    Ended,
    LabelFreeEstimate,
    LabelRequest,
    Latency,
    Outcome,
    Percentiles,
    QualityCheck,
    ReasonCount,
    RunReport,
    Stopped,
)
from models.gate_kinds import AtLeast, AtMost, Better, LatencyWithin, NotWorse
from models.sections import Policy
from tasks.artifacts import list_tables
from tasks.formats import p_value, signed, size, value
from tasks.gates import judge
from tasks.metrics.confusion import decide
from tasks.pages import MOST_SLICES, render_html, render_markdown
from tests.tasks.reports import (
    OUTCOMES,
    asked,
    attempt,
    bootstrapped,
    candidate,
    comparison,
    estimate,
    observation,
    report_of,
    run,
    table,
)

EVIL = '<script>alert(1)</script> | `x` [a](javascript:b) & "q" _你好_\nmore'


class Page(HTMLParser):
    """A page's tags, what it shows (summaries and folded parts as well), and what it says of its drawings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.shown = ""
        self.drawings: list[dict[str, str | None]] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html.replace(html[html.index("<style>") : html.index("</style>")], ""))
        self.shown = " ".join(self.shown.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "svg" and ("width", "100%") in attrs:
            self.drawings.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.shown += f" {data}"


def evil_report() -> RunReport:
    """Row text that would like to be more than text, wherever a report shows text from outside."""
    reasons = [ReasonCount(reason="unknown label", rows=3, example=f"incoming/day-1.csv:4: {EVIL}")]
    seen = observation(accuracy=0.7, gap=0.4, labels=(EVIL, "x" * 200), reasons=reasons)
    return run(
        seen,
        attempt(slices=[comparison(f"slice:label={EVIL}", 0.01)], leaked=[EVIL], labels=(EVIL, "positive")),
        asking=asked(text=EVIL, label=EVIL),
    )


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_reads_verdict_first_and_leaves_no_hole(outcome: Outcome) -> None:
    report = report_of(outcome)
    assert getattr(report, "outcome", Outcome.BOOTSTRAPPED) is outcome
    html, markdown = render_html(report), render_markdown(report)
    page = Page(html)
    assert html.index('class="badge') < html.index("<h1>") < html.index('class="lead"') < html.index("<h2>")
    assert markdown.startswith("# ")
    assert 1 <= html.count('class="lead"') <= 4
    for hole in ("None", "nan", "Undefined", "[]", "()"):
        assert hole not in page.shown.split()
        assert hole not in markdown.split()


TITLES = {
    Outcome.WAITING: "Nothing to look at yet; version 1 stays champion",
    Outcome.HELD: "Nothing to do: version 1 stays champion",
    Outcome.ALERTED: "A person should look; version 1 stays champion",
    Outcome.WOULD_RETRAIN: "Training is called for: version 1 is to be retrained",
    Outcome.PUBLISHED: "A better model waits to be promoted; version 1 stays champion",
    Outcome.RELEASED: "Version 2 is the new champion",
    Outcome.REJECTED: "The candidate was stopped: version 1 stays champion",
    Outcome.INSUFFICIENT: "The candidate is not proven: version 1 stays champion",
    Outcome.BOOTSTRAPPED: "Version 1 is the first champion",
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_title_says_which_version_serves(outcome: Outcome) -> None:
    report = report_of(outcome)
    assert f"<h1>{TITLES[outcome]}</h1>" in render_html(report)
    assert render_markdown(report).splitlines()[0] == f"# {TITLES[outcome]}"


def verdict(report: RunReport | BootstrapReport) -> str:
    """What stands above the first number."""
    html = render_html(report)
    return " ".join(re.findall(r'class="lead">(.*?)</p>', html, re.DOTALL)).replace("&#39;", "'")


def test_the_verdict_says_what_was_seen_decided_and_what_came_of_it() -> None:
    told = verdict(report_of(Outcome.RELEASED))
    assert "200 rows came in; they differ from what version 1 was released on (2 of 3 drift signals)" in told
    assert "Accuracy fell from 95.0% at release to 70.0%" in told
    assert "a candidate learned from 120 new and 180 earlier rows" in told
    assert "82.0% of the new ones right (the champion 70.0%)" in told
    assert "passed all 4 gates: version 2 serves now" in told


def test_a_gain_that_is_no_share_of_rows_is_told_by_its_metric() -> None:
    tried = attempt()
    deciding = tried.scorecard.model_copy(update={"comparisons": (comparison("current", 0.1, metric="macro_f1"),)})
    report = run(observation(accuracy=0.7), tried.model_copy(update={"scorecard": deciding}))
    assert "the candidate has a macro F1 of 80.0% on the new ones (the champion 70.0%)." in verdict(report)


def test_a_run_that_goes_on_with_a_stopped_training_does_not_say_that_its_rows_came_in_now() -> None:
    left = Stopped(settings="s", step=500, steps=1000, minutes=9, cap=10, limit="cap", checkpoint="c")
    told = verdict(run(observation(accuracy=0.7), attempt()).model_copy(update={"went_on_from": left}))
    assert "200 rows came in before the training that this run goes on with was stopped; they look like" in told


def test_a_held_run_says_that_nothing_was_trained_and_a_forced_one_why_it_was() -> None:
    assert "No model was trained; version 1 goes on serving." in verdict(report_of(Outcome.HELD))
    assert "Retraining was forced; a candidate learned" in verdict(run(observation(), attempt(), force=True))


def test_what_calls_for_training_is_named_where_it_is_not_the_labels() -> None:
    drifted = run(observation(gap=0.4), attempt(), policy=Policy(act_on="drift"))
    assert "The drift calls for training; a candidate learned" in verdict(drifted)
    due = run(observation(), attempt(), policy=Policy(retrain_every="1d"))
    assert "Policy.retrain_every = 1d is due; a candidate learned" in verdict(due)


def test_an_alert_says_what_is_asked_of_a_person() -> None:
    assert "Label some of these rows" in verdict(report_of(Outcome.ALERTED))


def test_a_window_too_small_to_judge_is_not_called_quiet() -> None:
    small = run(observation(gap=0.4), policy=Policy(min_rows=500))
    assert small.outcome is Outcome.HELD
    assert "200 rows are fewer than policy.min_rows = 500" in verdict(small)


def test_drift_that_was_not_judged_is_not_called_none() -> None:
    seen = observation(gap=0.4)
    unjudged = [s.model_copy(update={"threshold": 0.0}) for s in seen.drift.signals]
    seen = seen.model_copy(update={"drift": seen.drift.model_copy(update={"alpha": 0.0, "signals": tuple(unjudged)})})
    report = run(seen)
    assert "whether they drifted was not judged, so soon after the last run" in verdict(report)
    assert "drift     not judged" in "\n".join(tell(Ended(report=report, pages=None)))
    for shown in (Page(render_html(report)).shown, render_markdown(report)):
        assert "they look like" not in shown
        assert "too soon after the last run" in shown
        assert "Drift: not judged" in shown
    assert "threshold none" in Page(render_html(report)).shown
    assert list_tables(report)["drift"][1] == "Drift: not judged, too soon after the last run"


@pytest.mark.parametrize(("agreement", "half", "doubted"), [(0.2, 0.04, True), (0.2, 0.35, False), (0.6, 0.04, False)])
def test_labels_that_the_champion_contradicts_more_than_chance_are_doubted(
    agreement: float, half: float, *, doubted: bool
) -> None:
    tried = attempt(gain=-0.1, agreement=agreement)
    first, *others = tried.scorecard.comparisons
    first = first.model_copy(update={"champion": estimate(agreement, half)})
    card = tried.scorecard.model_copy(update={"comparisons": (first, *others)})
    report = run(observation(accuracy=0.2), tried.model_copy(update={"scorecard": card}))
    assert ("look at the labels" in verdict(report)) is doubted


@pytest.mark.parametrize("outcome", [Outcome.RELEASED, Outcome.REJECTED, Outcome.INSUFFICIENT])
def test_every_gate_is_shown_with_its_verdict_and_its_reason(outcome: Outcome) -> None:
    report = report_of(outcome)
    assert isinstance(report, RunReport)
    assert report.attempt is not None
    words = {"blessed": "✓ passed", "rejected": "✗ rejected", "insufficient_evidence": "? too little evidence"}
    shown, markdown = Page(render_html(report)).shown, render_markdown(report)
    for gate in report.attempt.blessing.gates:
        assert f"{gate.gate} {words[gate.verdict]} {gate.because}" in shown
        assert f"| {gate.gate} | {words[gate.verdict]} | {gate.because} |" in markdown
        if gate.verdict != "blessed":
            assert gate.gate in verdict(report)


def test_a_gate_that_only_warns_is_told_from_one_that_stops() -> None:
    kept = NotWorse(name="kept", on="reference", tolerance=0.001, mode="warn")
    published = run(observation(accuracy=0.7), attempt(gates=[AtLeast(name="floor", value=0.5), kept]), promote=False)
    assert published.outcome is Outcome.PUBLISHED
    assert (
        "Of 2 gates, kept found too little evidence, and only warns: it is published and waits to be promoted by a person"
        in verdict(published)
    )
    for shown in (Page(render_html(published)).shown, render_markdown(published)):
        assert "no alias was moved (gate kept warns)" in shown
        assert "promote is false" not in shown
    assert "| kept (only warns) | ? too little evidence |" in render_markdown(published)
    assert "kept only warns ? too little evidence" in Page(render_html(published)).shown
    assert [row["gate"] for row in list_tables(published)["gates"][0]] == ["floor", "kept (only warns)"]
    assert "gate ?    kept (only warns): candidate" in "\n".join(tell(Ended(report=published, pages=None)))
    stopped = run(observation(accuracy=0.7), attempt(gates=[AtLeast(name="floor", value=0.9), kept]))
    assert "Of 2 gates, floor rejected it: version 1 goes on serving." in verdict(stopped)


def test_text_from_rows_is_shown_and_never_obeyed() -> None:
    html = render_html(evil_report())
    page = Page(html)
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert [value for name, value in page.attributes if name == "href"] == ["evidently.html"]
    assert (
        page.shown.count(" ".join(EVIL.split())) == 9
    )  # label, slice, gate, confused label (2), quarantined row, leak, sample and its label


def test_text_from_rows_cannot_break_out_of_a_markdown_table() -> None:
    markdown = render_markdown(evil_report())
    assert re.search(r"(?<!\\)<script", markdown) is None
    assert re.search(r"(?<!\\)\]\(", markdown) is None
    assert r"alert(1)\</script\> \| \`x\` [a\](javascript:b) &amp; " in markdown


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_row_of_a_markdown_table_has_its_header_s_cells(outcome: Outcome) -> None:
    for report in (report_of(outcome), evil_report()):
        tables = re.findall(r"(?:^\|.*\n)+", render_markdown(report), re.MULTILINE)
        for drawn in tables:
            rows = drawn.splitlines()
            assert set(rows[1]) <= set("|-: ")
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1, drawn


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_page_is_one_small_file_that_loads_nothing(outcome: Outcome) -> None:
    html = render_html(report_of(outcome))
    page = Page(html)
    assert len(html) < 60_000
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not [value for name, value in page.attributes if name in {"src", "href"} and ":" in (value or "")]
    assert "url(" not in html
    assert "@import" not in html


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_drawing_says_in_words_what_it_shows(outcome: Outcome) -> None:
    drawings = Page(render_html(report_of(outcome))).drawings
    assert drawings
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert re.search(r"\d|scale|effect", drawing["aria-label"] or "")


def test_the_drawings_carry_the_numbers_of_the_records() -> None:
    labels = [d["aria-label"] for d in Page(render_html(report_of(Outcome.RELEASED))).drawings]
    assert "champion 70.0% [66.0%, 74.0%], candidate 82.0% [78.0%, 86.0%]" in labels
    assert "difference +12.0 [+8.0, +16.0] points; gate better-on-current: limit +0.0 points" in labels
    assert "difference +12.0 [+8.0, +16.0] points" in labels  # macro F1 has no gate
    assert "words: p < 1e-16, threshold 0.0010" in labels
    assert any("validation loss 0.500 at step 100, 0.300 at step 200" in (label or "") for label in labels)


def test_what_is_not_drawn_is_shown_with_its_intervals_in_numbers() -> None:
    seen = observation(accuracy=0.7)
    check = QualityCheck(
        metric="perplexity", now=estimate(30.5, 2), at_release=estimate(22, 1), p_value=0.001, test="test"
    )
    seen = seen.model_copy(update={"monitoring": seen.monitoring.model_copy(update={"quality": (check,)})})
    compared = [comparison("slice:a=b", 0.0), comparison("current", 0.1, metric="ece")]
    shown = Page(render_html(run(seen, attempt(slices=compared)))).shown
    assert "22 → 30.5 [21, 23] → [28.5, 32.5]" in shown
    assert "70.0% → 80.0% [66.0%, 74.0%] → [76.0%, 84.0%]" in shown
    assert shown.count("70.0% → 82.0% +12.0") == 2  # drawn


def test_values_that_are_not_drawn_have_no_axis_and_no_legend_of_dots() -> None:
    check = QualityCheck(
        metric="perplexity", now=estimate(30.5, 2), at_release=estimate(22, 1), p_value=0.001, test="test"
    )
    seen = observation()
    seen = seen.model_copy(
        update={"monitoring": seen.monitoring.model_copy(update={"quality": (check,), "shares": ()})}
    )
    told = comparison("current", 0.1, metric="perplexity")
    for compared, found in ((told,), 0), ((told, comparison("reference", 0.1)), 1):
        html = render_html(run(seen, tried_on(*compared)))
        assert len(re.findall(r"scale from \d[^\"]*%\"", html)) == found
        assert html.count('<i class="key after">') == found


def test_the_column_of_differences_names_what_its_rows_are_counted_in() -> None:
    share, other = comparison("current", 0.1), comparison("current", 0.1, metric="perplexity")
    for compared, unit in ((share,), "points"), ((other,), "%"), ((share, other), "points or %"):
        report = run(observation(), tried_on(*compared))
        assert f"difference in {unit}, " in Page(render_html(report)).shown.replace(" , ", ", ")
        assert f"| difference in {unit} | gates' limits in {unit} |" in render_markdown(report)
        assert f'{unit}"' in re.findall(r'scale from [-+][^"]*"', render_html(report))[0]


def test_the_terminal_calls_no_difference_better_and_says_which_way_is() -> None:
    report = run(observation(), tried_on(*(comparison("current", gain, metric="ece") for gain in (0.0, -0.02))))
    told = "\n".join(tell(Ended(report=report, pages=None)))
    assert "+0.0 [-4.0, +4.0] points (above 0: less, which is better)" in told
    assert "-2.0 [-6.0, +2.0] points (above 0: less, which is better)" in told


def tried_on(*compared: Comparison) -> Attempt:
    plain = attempt()
    return plain.model_copy(update={"scorecard": plain.scorecard.model_copy(update={"comparisons": compared})})


def test_what_was_measured_of_texts_alone_rests_on_rows_and_not_on_labels() -> None:
    check = QualityCheck(
        metric="perplexity", now=estimate(30.5, 2), at_release=estimate(22, 1), p_value=1e-9, test="test"
    )
    seen = observation()
    seen = seen.model_copy(update={"monitoring": seen.monitoring.model_copy(update={"quality": (check,)})})
    report = run(seen, attempt())
    assert "perplexity rose: 22 at release, 30.5 now (p = 1e-09, 400 rows)" in report.headline + str(report.decision)
    for page in (render_markdown(report), Page(render_html(report)).shown):
        assert "Rows prove it, which calls for training" in page
        assert "400 labels" not in page
        assert "200 to measure by, 0 quarantined" in page
        assert "labelled" not in page and "with a label" not in page


def test_no_difference_is_shown_as_a_loss_of_nothing() -> None:
    report = run(observation(accuracy=0.7), attempt(gain=-0.0001))
    told = "\n".join(tell(Ended(report=report, pages=None)))
    for shown in (told, Page(render_html(report)).shown, render_markdown(report)):
        assert "+0.0 [-4.0, +4.0]" in shown
        assert "-0.0 " not in shown


def test_a_gate_that_tolerates_nothing_has_no_limit_of_minus_nothing() -> None:
    gates = [NotWorse(name="kept", on="reference", tolerance=0)]
    guess = LabelFreeEstimate(method="DoC", metric="accuracy", estimate=estimate(0.6999), truth=estimate(0.7))
    seen = observation(accuracy=0.7)
    seen = seen.model_copy(update={"monitoring": seen.monitoring.model_copy(update={"estimates": (guess,)})})
    report = run(seen, attempt(gain=0.2, gates=gates))
    html, markdown = render_html(report), render_markdown(report)
    assert "gate kept: limit +0.0 points" in html
    assert "| kept +0.0 |" in markdown
    assert "-0.0" not in html + markdown


def test_fifty_slices_are_all_there_the_worst_in_sight_and_the_others_folded() -> None:
    slices = [comparison(f"slice:country={i}", (i - 25) / 500) for i in reversed(range(50))]
    html = render_html(run(observation(accuracy=0.7), attempt(slices=slices)))
    places = [html.index(f">country={i}<") for i in range(50)]
    assert places == sorted(places)
    folded = html.index(f"{50 - MOST_SLICES} more slices")
    assert [place < folded for place in places] == [True] * MOST_SLICES + [False] * (50 - MOST_SLICES)


def test_what_changed_is_the_champion_its_files_and_where_it_comes_from() -> None:
    shown, markdown = Page(render_html(report_of(Outcome.RELEASED))).shown, render_markdown(report_of(Outcome.RELEASED))
    assert "moved from version 1 to version 2 (generation 2), by ops on 2026-11-25 15:00 UTC" in shown
    assert "config.json 935 B the same 55555" in shown
    assert "model.safetensors 90.9 MB changed version-2" in shown
    assert "learned from the spec's source version 1" in shown
    assert "its run began 2026-11-25 15:00 UTC" in shown
    assert "| model.safetensors | 90.9 MB | changed | `version-2" in markdown
    for name, held in (("window", "w" * 64), ("training set", "d" * 64), ("commit", "abc123")):
        assert f"{name} {held}" in shown
        assert f"| {name} | {held} |" in markdown


@pytest.mark.parametrize("outcome", [o for o in OUTCOMES if o not in {Outcome.RELEASED, Outcome.BOOTSTRAPPED}])
def test_a_run_that_moved_no_alias_says_what_still_holds(outcome: Outcome) -> None:
    stays = "alias champion names version 1 as before (generation 1, since 2026-11-25 15:00 UTC)."
    assert stays in Page(render_html(report_of(outcome))).shown
    assert stays in render_markdown(report_of(outcome))


def test_which_rows_went_in_is_counted_with_the_leaks_and_the_source_files() -> None:
    shown = Page(render_html(run(observation(accuracy=0.7), attempt(leaked=["a sealed row's twin"])))).shown
    assert "120 new · 180 replayed from earlier windows, against forgetting · 1 removed" in shown
    assert "a sealed row's twin" in shown
    assert "From incoming/day-1.csv (200 rows)" in shown  # day-0.csv had been read before


def test_quarantined_rows_are_counted_with_reason_and_example() -> None:
    reasons = [ReasonCount(reason="empty text", rows=7, example="incoming/day-1.csv:9: ' '")]
    report = run(observation(reasons=reasons))
    shown = Page(render_html(report)).shown
    assert "200 read = 193 kept + 7 quarantined" in shown
    assert "empty text 7 incoming/day-1.csv:9: ' '" in shown
    assert "| empty text | 7 | incoming/day-1.csv:9: ' ' |" in render_markdown(report)


def test_the_commands_of_a_page_hold_whatever_the_spec_calls_its_alias() -> None:
    html = render_html(report_of(Outcome.HELD))
    assert "<code>upkeep pull SPEC DIR</code>" in html
    assert "SPEC@" not in html


def test_a_page_does_not_say_that_no_drop_is_proven_of_one_that_is_only_smaller_than_the_policy_asks_for() -> None:
    page = render_markdown(run(observation(accuracy=0.89), policy=Policy(min_drop=0.1)))
    assert "Accuracy fell from 95.0% at release to 89.0%, by less than policy.min_drop." in page
    assert "no drop is proven" not in page


def test_the_time_of_a_training_that_earlier_processes_began_is_told_as_that_of_all_its_parts() -> None:
    for step, told in ((100, "training 95 s in all its parts on cpu"), (0, "training 95 s on cpu")):
        tried = attempt()
        cost = tried.candidate.cost.model_copy(update={"resumed_from_step": step})
        tried = tried.model_copy(update={"candidate": tried.candidate.model_copy(update={"cost": cost})})
        for render in (render_markdown, render_html):
            assert told in render(run(observation(accuracy=0.7, gap=0.4), tried))


def test_the_time_of_a_run_that_was_killed_and_taken_up_is_told_as_that_since() -> None:
    whole = run(observation(accuracy=0.7, gap=0.4), attempt())
    later = whole.model_copy(update={"stages": tuple(s.model_copy(update={"reused": True}) for s in whole.stages)})
    for render in (render_markdown, render_html):
        assert "taken up" not in render(whole)
        assert "in its stages; training 95 s" in render(whole)  # publishing and what else is none comes to them
        assert "in its stages since it was taken up; training 95 s" in render(later)
        assert "in these stages, since the run was taken up" in render(later)
        assert "from an earlier run" not in render(later)  # it may have been this one, before it was killed


def test_one_gate_and_one_epoch_are_told_as_one() -> None:
    tried = attempt(gates=[NotWorse()])
    cost = tried.candidate.cost.model_copy(update={"epochs": 1.0})
    once = tried.model_copy(update={"candidate": tried.candidate.model_copy(update={"cost": cost})})
    for render in (render_markdown, render_html):
        page = render(run(observation(accuracy=0.7, gap=0.4), once))
        assert "It passed its one gate: version 2 serves now." in page
        assert "in 1 epoch (" in page


def test_sentences_beside_the_quality_are_parted_by_a_blank() -> None:
    report = report_of(Outcome.HELD)
    for shown in (Page(render_html(report)).shown, render_markdown(report)):
        assert "at release 97.0%. Latency: median 12 ms" in shown
        assert "over 200 requests. What was served agrees" in shown


def test_a_model_that_was_adopted_has_no_learning_curve() -> None:
    shown = Page(render_html(bootstrapped(candidate([], steps=0)))).shown
    assert "adopted as it is, without training" in shown
    assert "How it learned" not in shown
    assert "Which rows went in" not in shown


def test_what_an_api_trained_is_called_trained_and_what_the_spec_only_names_is_not() -> None:
    plain = run(observation(accuracy=0.7), attempt(curve=[]))
    assert plain.attempt is not None
    made = plain.attempt.candidate
    by_api = made.cost.model_copy(update={"steps": 0, "resumed_from_step": 0, "cpu_seconds": 0, "peak_memory_mb": 0, "device": "https://api.test/v1",
                                          "stopped": "job j of the API succeeded"})  # fmt: skip
    named = by_api.model_copy(update={"seconds": 0, "device": "none"})
    told = {}
    for cost, recipe in (
        (by_api, "fine-tuned by the API from m"),
        (named, "m-2 with the prompt of the spec, not trained"),
    ):
        candidate = made.model_copy(update={"cost": cost, "recipe": recipe})
        report = plain.model_copy(update={"attempt": plain.attempt.model_copy(update={"candidate": candidate})})
        told[recipe[0]] = Page(render_html(report)).shown, render_markdown(report)
    for shown in told["f"]:
        assert "a candidate learned from 120 new and 180 earlier rows in 95 s" in shown
        assert "training 95 s on https://api.test/v1" in shown
        assert "job j of the API succeeded" in shown
        assert "0 B" not in shown
        assert "0.0 s of CPU" not in shown
    for shown in told["m"]:
        assert "the candidate is m-2 with the prompt of the spec, not trained." in shown
        assert "no training" in shown
        assert "Nothing was trained. 50 sealed new rows and 150 sealed earlier rows are there to judge by." in shown
        assert "learned from 120" not in shown
        assert "went in" not in shown


def test_a_gate_on_the_candidate_alone_is_marked_where_its_value_is_drawn() -> None:
    report = run(observation(accuracy=0.7), attempt(gates=[AtLeast(name="floor", value=0.75)]))
    labels = [d["aria-label"] or "" for d in Page(render_html(report)).drawings]
    assert len([label for label in labels if label.endswith("gate floor: at least 75.0%")]) == 1
    assert "floor: candidate at least 75.0%" in render_markdown(report)


def test_gates_on_both_sides_of_a_metric_say_which_and_limits_have_their_metrics_unit() -> None:
    gates = [
        AtLeast(name="own words", metric="novel_bigrams", value=0.25),
        AtMost(name="no fiction", metric="novel_bigrams", value=0.95),
        NotWorse(name="fluent", metric="perplexity", on="current"),
    ]
    compared = [comparison("current", 0.1, metric=metric) for metric in ("novel_bigrams", "perplexity")]
    report = run(observation(accuracy=0.7), attempt(slices=compared, gates=gates))
    labels = " ".join(d["aria-label"] or "" for d in Page(render_html(report)).drawings)
    assert "gate own words: at least 25.0%; gate no fiction: at most 95.0%" in labels
    assert "difference +10.0 [+6.0, +14.0] %; gate fluent: limit -5.0 %" in labels
    shown = render_markdown(report)
    assert "own words: candidate at least 25.0%, no fiction: candidate at most 95.0% |" in shown
    assert "+10.0 [+6.0, +14.0] % | fluent -5.0 % |" in shown


def test_a_loss_that_ran_away_does_not_spoil_the_page() -> None:
    points = (1.0, math.nan, math.inf)
    curve = [
        CurvePoint(step=i, train_loss=v, validation_loss=v, validation_accuracy=None) for i, v in enumerate(points)
    ]
    html = render_html(run(observation(accuracy=0.7), attempt(curve=curve)))
    assert not re.search(r'(?:x|y|cx|cy)\d?="(?:nan|inf)', html)
    assert "step 0 kept" in html


def test_a_drifted_window_shows_its_words_its_rows_and_why_evidently_differs() -> None:
    report = report_of(Outcome.RELEASED)
    html, markdown = render_html(report), render_markdown(report)
    for text, escaped in ((html, "&lt;plot"), (markdown, "\\<plot")):
        assert escaped in text
        assert "film" in text
        assert "<b>film" not in text.replace("\\<", "")
        assert "half of its 8 columns" in text
    assert "to the fifth nearest among half of the reference's rows" in Page(html).shown
    assert "tell the two apart" not in render_html(report_of(Outcome.HELD))


def test_a_training_without_accuracies_as_that_of_a_language_model_has_no_column_for_them() -> None:
    losses = [CurvePoint(step=s, train_loss=0.5, validation_loss=0.5, validation_accuracy=None) for s in (10, 20)]
    silent, counted = (run(observation(accuracy=0.7), attempt(curve=curve)) for curve in (losses, None))
    assert (
        "| step | training loss | validation loss |\n| ---: | ---: | ---: |\n| 10 | 0.500 | 0.500 |\n| 20 |"
        in render_markdown(silent)
    )
    assert (
        "| validation accuracy |\n| ---: | ---: | ---: | ---: |\n| 100 | 0.600 | 0.500 | 90.0% |\n"
        in render_markdown(counted)
    )
    assert "validation accuracy" not in render_html(silent) and "validation accuracy" in render_html(counted)
    assert "<td>20</td><td>0.500</td><td>0.500</td></tr>" in render_html(silent)
    assert "<td>0.500</td><td>90.0%</td></tr>" in render_html(counted)


def test_a_version_that_waits_is_shown_with_both_answers_side_by_side_and_with_the_commands_that_answer() -> None:
    report = run(observation(accuracy=0.7, gap=0.4), attempt(), asking=asked(ratings=2, samples=20))
    assert isinstance(report, RunReport)
    assert report.headline.endswith("Version 2 waits for an answer until 2026-12-02 15:00 UTC.")
    for shown in (Page(render_html(report)).shown, render_markdown(report)):
        assert "A better model waits for approval; version 1 stays champion" in shown
        assert "it is published and waits for approval until 2026-12-02 15:00 UTC; version 1 goes on serving" in shown
        assert "17 of 1,200 sealed rows are answered differently by the two models; 20 of all are here" in shown
        assert "2 must be rated, and the candidate be shown to win at least 50.0% of the decided ones" in shown
        assert all(
            command in shown
            for command in ("upkeep approve SPEC", "upkeep reject SPEC", "upkeep waiting SPEC", "upkeep rate SPEC")
        )
        assert "no alias is moved without a person's yes" in shown
    assert "| ≠ | the film was fine | positive | negative 61.0% | positive 92.0% |" in render_markdown(report)
    assert "| = | dull |  | negative 80.0% | negative 99.0% |" in render_markdown(report)
    written = asked(samples=20)
    shown_ = tuple(sample.model_copy(update={"label": None}) for sample in written.samples.shown)
    written = written.model_copy(update={"samples": written.samples.model_copy(update={"shown": shown_})})
    unlabelled = run(observation(accuracy=0.7, gap=0.4), attempt(), asking=written)
    assert "| ≠ | the film was fine | negative 61.0% | positive 92.0% |" in render_markdown(unlabelled)
    assert "| | text | champion | candidate |\n| --- | --- | --- | --- |\n" in render_markdown(unlabelled)
    assert "text champion candidate the film was fine negative" in Page(render_html(unlabelled)).shown
    strict = asked(ratings=2, samples=20)
    strict = strict.model_copy(update={"request": strict.request.model_copy(update={"win_rate": 0.6225})})
    strictly = run(observation(accuracy=0.7, gap=0.4), attempt(), asking=strict)
    for shown in (Page(render_html(strictly)).shown, render_markdown(strictly)):
        assert "shown to win at least 62.25% of the decided ones" in shown
    lacking = run(observation(accuracy=0.7, gap=0.4), attempt(), asking=asked(ratings=3))
    for shown in (Page(render_html(lacking)).shown, render_markdown(lacking)):
        assert "3 must be rated, and there are only 2: a yes needs --force" in shown


def test_labels_that_are_taken_for_one_another_are_shown_for_both_models_or_for_the_first_one() -> None:
    report = report_of(Outcome.RELEASED)
    shown = Page(render_html(report)).shown
    assert "negative 20 rows 90.0% 80.0% 10.0% 20.0% positive 20 rows 10.0% 20.0% 90.0% 80.0%" in shown
    assert "| negative | 20 | 90.0% → 80.0% | 10.0% → 20.0% |" in render_markdown(report)
    first = report_of(Outcome.BOOTSTRAPPED)
    assert "negative 20 rows 90.0% 10.0% positive" in Page(render_html(first)).shown
    assert "| negative | 20 | 90.0% | 10.0% |" in render_markdown(first)


def test_of_several_labels_a_row_each_is_shown_with_what_was_missed_and_added_the_worst_first() -> None:
    truth = np.array([[1, 1], [1, 0], [0, 0], [0, 0]], bool)
    better, worse = truth ^ np.array([0, 1]).astype(bool), truth ^ np.array([1, 1]).astype(bool)
    better[0, 1] = True
    decisions = decide(truth, {"champion": worse, "candidate": better}, ("calm", "wrong|"))
    plain, first = run(observation(accuracy=0.7), attempt()), report_of(Outcome.BOOTSTRAPPED)
    assert plain.attempt is not None
    assert isinstance(first, BootstrapReport)
    card = plain.attempt.scorecard.model_copy(update={"confusion": None, "decisions": decisions})
    report = plain.model_copy(update={"attempt": plain.attempt.model_copy(update={"scorecard": card})})
    shown, markdown = Page(render_html(report)).shown, render_markdown(report)
    assert "calm 2 rows of 4 0 → 2 2 → 0 2 → 0 0 → 2 wrong| 1 row of 4 0 → 1 1 → 0 3 → 3 0 → 0" in shown
    assert "| calm | 2 of 4 | 0 → 2 | 2 → 0 | 2 → 0 | 0 → 2 |" in markdown
    assert "taken for one another" not in shown + markdown
    alone = first.model_copy(update={"decisions": decide(truth, {"champion": better}, ("calm", "wrong|"))})
    assert "wrong| 1 row of 4 1 0 3 0 calm 2 rows of 4 2 0 0 2" in Page(render_html(alone)).shown
    many = decide(np.eye(40, dtype=bool), {"champion": np.zeros((40, 40), bool)}, tuple(f"l{i}" for i in range(40)))
    assert "28 more labels, the ones that are wrong least often" in Page(render_html(alone.model_copy(update={"decisions": many}))).shown  # fmt: skip


def test_of_many_labels_only_the_most_confused_are_shown() -> None:
    report = run(observation(accuracy=0.7), attempt(labels=[f"l{i}" for i in range(40)]))
    assert "l0 20 rows l1 10.0% 2 rows 20.0% 4 rows" in Page(render_html(report)).shown
    assert render_markdown(report).count(" | 10.0% | 20.0% |") == 20


def test_a_record_from_before_confusions_were_kept_is_still_shown() -> None:
    report = report_of(Outcome.RELEASED)
    assert isinstance(report, RunReport)
    stored = report.model_dump(mode="json")
    del stored["attempt"]["scorecard"]["confusion"]
    old = RunReport.model_validate(stored)
    assert "taken for one another" not in render_html(old) + render_markdown(old)


def test_what_neither_more_nor_less_of_is_better_is_written_and_takes_no_room_in_the_picture() -> None:
    plain = run(observation(accuracy=0.7), attempt())
    assert plain.attempt is not None
    card = plain.attempt.scorecard
    wild = comparison("current", 0.6, metric="length_ratio")
    more = card.model_copy(update={"comparisons": (*card.comparisons, wild)})
    html = render_html(plain.model_copy(update={"attempt": plain.attempt.model_copy(update={"scorecard": more})}))
    assert "length ratio" in html
    scale = re.compile(r"scale from [^\"]* points")
    assert scale.findall(html) == scale.findall(render_html(plain))
    assert html.count("no difference") == render_html(plain).count("no difference")


@pytest.mark.parametrize(("metric", "loss"), [("accuracy", "a drop of 5 points"), ("perplexity", "a rise of 5 %")])
def test_what_the_asked_labels_would_find_is_told_as_the_metric_counts_it(metric: str, loss: str) -> None:
    request = LabelRequest(csv=table(500), jsonl=table(500), local_csv="r.csv", random_rows=400, unlike_rows=100, power=0.84,
                           drop=0.05, p_value=0.01, metric=metric)  # fmt: skip
    report = run(observation(gap=0.4, labelled=0)).model_copy(update={"label_request": request})
    for told in (render_html(report), render_markdown(report), "\n".join(tell(Ended(report=report, pages=None)))):
        assert f"find {loss} with probability 84" in told


def test_a_training_of_less_than_a_second_takes_as_long_on_the_terminal_as_on_the_page() -> None:
    tried = attempt()
    cost = tried.candidate.cost.model_copy(update={"seconds": 0.42})
    short = tried.model_copy(update={"candidate": tried.candidate.model_copy(update={"cost": cost})})
    report = run(observation(accuracy=0.7, gap=0.4), short)
    assert "<dd>0.4 s, 3.0 min of CPU time</dd>" in render_html(report)
    assert "300 steps, 0.4 s on cpu" in "\n".join(tell(Ended(report=report, pages=None)))


@pytest.mark.parametrize("asking", [None, asked(ratings=2, samples=20)])
def test_what_the_terminal_says_to_do_next_names_the_spec_as_it_was_given(asking: Asked | None) -> None:
    report = run(observation(accuracy=0.7), attempt(), promote=False, asking=asking)
    request = LabelRequest(csv=table(500), jsonl=table(500), local_csv="r.csv", random_rows=400, unlike_rows=100, power=0.84,
                           drop=0.05, p_value=0.01, metric="accuracy")  # fmt: skip
    told = "\n".join(
        tell(Ended(report=report.model_copy(update={"label_request": request}), pages=None), "mine/spec.yaml")
    )
    commands = ("waiting", "rate", "approve", "reject") if asking else ("promote",)
    assert all(f"upkeep {command} mine/spec.yaml" in told for command in (*commands, "label")) and "SPEC" not in told


def test_one_row_that_was_trained_on_is_not_told_as_rows() -> None:
    one = {"train": table(1), "new_rows": 3, "replayed_rows": 1}
    first, tried = bootstrapped(), attempt()
    reports = (
        first.model_copy(update={"training_set": first.training_set.model_copy(update=one)}),
        run(observation(accuracy=0.7, gap=0.4), tried.model_copy(update={"training_set": tried.training_set.model_copy(update=one)})),
    )  # fmt: skip
    for report, told in zip(reports, ("training  1 row, 300", "training  3 new + 1 replayed row, 0"), strict=True):
        assert told in "\n".join(tell(Ended(report=report, pages=None)))


def test_a_count_has_the_same_commas_in_the_terminal_as_on_the_page() -> None:
    checked = observation(accuracy=0.7, gap=0.4)
    many = checked.validation.model_copy(update={"read": 21400, "kept": table(20199), "quarantined": table(1201)})
    rows = {"train": table(1376), "new_rows": 1269, "replayed_rows": 1377}
    first, tried = bootstrapped(), attempt()
    reports = (
        first.model_copy(update={"validation": many, "training_set": first.training_set.model_copy(update=rows)}),
        run(checked.model_copy(update={"validation": many}),
            tried.model_copy(update={"training_set": tried.training_set.model_copy(update=rows)})),
    )  # fmt: skip
    for report, trained in zip(reports, ("1,376 rows, 300", "1,269 new + 1,377 replayed rows, 0"), strict=True):
        told = "\n".join(tell(Ended(report=report, pages=None)))
        assert "21,400 read = 20,199 kept + 1,201 quarantined" in told and f"training  {trained}" in told


def test_a_request_that_was_served_within_a_millisecond_took_more_than_none() -> None:
    seen = observation()
    quick = Percentiles(p50=0.42, p95=0.97, p99=1253.4, n=200)
    monitoring = seen.monitoring.model_copy(update={"latency_ms": quick})
    report = run(seen.model_copy(update={"monitoring": monitoring}))
    for told in (render_html(report), render_markdown(report)):
        assert "median 0.42 ms, 95 % within 0.97 ms, 99 % within 1,253 ms" in told


def test_models_that_answer_within_a_part_of_a_millisecond_take_more_than_none() -> None:
    plain = run(observation(accuracy=0.7), attempt())
    assert plain.attempt is not None
    slow, quick = (Percentiles(p50=p50, p95=0.048, p99=0.1, n=40) for p50 in (0.024, 0.016))
    card = plain.attempt.scorecard.model_copy(update={"latency": Latency(champion=quick, candidate=slow)})
    report = plain.model_copy(update={"attempt": plain.attempt.model_copy(update={"scorecard": card})})
    assert "candidate 0.024 ms (median; 95 % within 0.048 ms), the champion 0.016 ms" in render_html(report)
    assert "candidate 0.024 ms, champion 0.016 ms" in render_markdown(report)
    gate = judge.fn(card, gates=[LatencyWithin()]).gates[0]
    assert gate.because == "median 0.024 ms against 0.016 ms: factor 1.50, at most 1.5"


def test_a_p_value_has_two_digits_wherever_it_is_shown() -> None:
    for p, told in (
        (0.0163, "0.016"),
        (0.05, "0.050"),
        (0.00802, "0.0080"),
        (0.31, "0.31"),
        (1.0, "1.00"),
        (0.00042, "4.2e-04"),
    ):
        assert p_value(p) == told


def test_a_number_beyond_all_bounds_is_written_with_the_digits_that_are_known_of_it() -> None:
    assert value("perplexity", 1.9424e130) == "1.94e+130"
    assert signed(-1.9424e129) == "-1.94e+131"
    assert value("perplexity", 123_456_789.0) == "123,456,789"


def test_one_row_is_spoken_of_as_one() -> None:
    seen = observation()
    alone = seen.model_copy(update={"validation": seen.validation.model_copy(update={"kept": table(1), "labelled": 1})})
    assert "1 row came in; it looks like what version 1 was released on" in render_markdown(run(alone))
    assert "1 row came in; it differs from" in render_markdown(
        run(alone.model_copy(update={"drift": observation(gap=0.4).drift}))
    )


def test_a_size_that_rounds_to_a_thousand_is_one_of_the_next_unit() -> None:
    assert [size(n) for n in (999, 999_499, 999_600, 999_999_999, 5e12)] == [
        "999 B",
        "999 kB",
        "1.0 MB",
        "1.0 GB",
        "5000 GB",
    ]


@pytest.mark.parametrize(
    ("mode", "said"), [("enforce", "all must pass for a release"), ("warn", "one that only warns stops no release")]
)
def test_what_the_tile_of_the_gates_demands_of_them_is_what_a_release_does(mode: str, said: str) -> None:
    gates = [NotWorse(tolerance=0.05), Better.model_validate({"mode": mode})]
    assert said in render_html(run(observation(), attempt(gates=gates)))


def test_a_version_that_waits_is_told_with_the_command_that_makes_it_champion() -> None:
    told = "\n".join(tell(Ended(report=run(observation(accuracy=0.7), attempt(), promote=False), pages=None)))
    assert "waits     upkeep promote SPEC makes it champion" in told
    assert "upkeep promote" not in "\n".join(tell(Ended(report=run(observation(accuracy=0.7), attempt()), pages=None)))
