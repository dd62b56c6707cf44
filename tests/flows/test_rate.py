"""People rate both models' answers blindly, in the terminal or on a page; what they say is the gate that the spec sets."""

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from errors import DataError, NotApproved, SpecError
from flows.cli import app
from flows.cli_approval import _ask
from flows.rate import Choose, Rated, describe_rated, rate, take_ratings, write_rating_page
from flows.story import _asked
from infra.object_store import ObjectStore
from models.contracts import Verdict
from tasks.blinding import Blind, Choice, blind, unblind
from tasks.conclusion import asked_in_words
from tests.flows.conftest import Home
from tests.flows.test_approval import LONG_AGO, Asking
from tests.flows.test_cli import upkeep
from tests.flows.test_promote import promoted
from tests.questions import sample
from tests.tasks.reports import asked

pytestmark = pytest.mark.filterwarnings("ignore:Logger 'prefect")


@pytest.fixture
def registry(home: Home, store: ObjectStore) -> Asking:
    return Asking(home, store)


def likes(word: str) -> Choose:
    """Somebody who prefers one word, whoever says it."""

    def choose(shown: Blind, number: int, of: int) -> Choice | None:
        return "a" if shown.a == word else "b" if shown.b == word else "same"

    return choose


def rated(registry: Asking, rater: str, choose: Choose) -> Rated:
    return rate(registry.spec, rater=rater, choose=choose, warn=print)


def described(found: Rated) -> str:
    return "\n".join(describe_rated(found, Path("spec.yaml")))


def test_whoever_rates_cannot_tell_whose_an_answer_is() -> None:
    shown = [blind(sample(n), question="q") for n in range(200)]
    firsts = sum(one.a == "negative" for one in shown)  # the champion's
    assert 70 < firsts < 130
    for one in shown:
        assert unblind(one.content, "a", question="q") == ("champion" if one.a == "negative" else "candidate")
        assert {unblind(one.content, c, question="q") for c in ("a", "b")} == {"champion", "candidate"}  # type: ignore[arg-type]
    assert [one.a for one in shown] != [blind(sample(n), question="another").a for n in range(200)]


def test_ratings_from_the_terminal_open_the_gate_and_disagreement_is_told(registry: Asking) -> None:
    registry.ask(ratings=10)
    with pytest.raises(NotApproved, match="0 of 10 samples rated"):
        promoted(registry, why="looks fine")
    first = rated(registry, "ann", likes("positive"))
    assert (first.kept, first.verdict.verdict) == (10, Verdict.BLESSED)
    assert "alpha" not in first.verdict.because
    second = rated(
        registry, "bo", lambda shown, number, of: likes("positive" if number < 8 else "negative")(shown, number, of)
    )
    assert re.search(r"agree with Krippendorff's alpha -?\d\.\d\d", second.verdict.because)
    assert f"upkeep approve {registry.spec} --version 2" in describe_rated(second, registry.spec)[1]
    again = rated(registry, "Ann ", likes("negative"))  # she has said what she had to say
    assert again.kept == 0 and "0 ratings kept: Ann has rated every sample already; version 2" in described(again)
    assert promoted(registry, why="people like it").entry.version == 2


def test_what_was_said_before_an_interruption_is_kept(registry: Asking) -> None:
    registry.ask(ratings=5)

    def interrupted(shown: Blind, number: int, of: int) -> Choice:
        if number == 4:
            raise KeyboardInterrupt
        return "same"

    with pytest.raises(KeyboardInterrupt):
        rated(registry, "ann", interrupted)
    asked: list[int] = []
    found = rated(registry, "ann", lambda shown, number, of: asked.append(of))
    assert (asked, found.kept) == ([7], 0)
    assert "0 ratings kept; version 2" in described(found)  # she could have gone on
    assert "3 of 10 samples rated" in found.verdict.because


@pytest.mark.slow
def test_a_page_that_was_filled_elsewhere_is_read_without_having_told_whose_an_answer_was(
    registry: Asking, tmp_path: Path
) -> None:
    registry.ask(ratings=10)
    page = tmp_path / "a new folder" / "rate.html"
    assert write_rating_page(registry.spec, page).version == 2
    html = page.read_text(encoding="utf-8")
    assert not re.search("champion|candidate", html)
    assert "http" not in html  # nothing is loaded from anywhere
    saved = tmp_path / "saved.csv"
    saved.write_text(as_saved(html, likes="positive"), encoding="utf-8")
    found = take_ratings(registry.spec, [saved])
    assert (found.kept, "candidate better 10, champion 0" in found.verdict.because) == (10, True)
    again = take_ratings(registry.spec, [saved])
    assert again.kept == 0 and "0 ratings kept: all of them were handed in before; version 2" in described(again)
    with pytest.raises(SpecError, match="not overwritten"):
        write_rating_page(registry.spec, page)
    saved.write_text(re.sub(r"\nc\w+", "\ncnobody", as_saved(html, likes="positive")), encoding="utf-8")
    with pytest.raises(DataError, match="no sample of this version"):
        take_ratings(registry.spec, [saved])


def test_a_terminal_does_not_obey_what_is_rated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.prompt", lambda _, err: "a")
    evil = Blind(content="c", text="one\n\ttwo \x1b[2J\r\x9b5A", reference="\x07bell", a="א\x1b]52;c;x\x07", b="")
    assert _ask(evil, 1, 2) == "a"
    shown = capsys.readouterr().out
    assert "one\n\ttwo \ufffd[2J\ufffd\ufffd5A\nexpected: \ufffdbell" in shown
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)


def test_whoever_stops_rating_by_ctrl_c_or_ends_the_input_has_interrupted_it_and_found_no_bug(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(asked: str, err: bool) -> str:
        raise typer.Abort

    monkeypatch.setattr("flows.cli_approval.typer.prompt", stopped)
    with pytest.raises(KeyboardInterrupt):
        _ask(blind(sample(1), question="q"), 1, 1)


def test_a_page_about_another_version_is_not_taken_for_this_one_although_it_shows_the_same_texts(
    registry: Asking, tmp_path: Path
) -> None:
    """A and B are others there, so that half of what was said would count for the other model."""
    registry.ask(ratings=10)
    pages = [tmp_path / "two.html", tmp_path / "three.html"]
    write_rating_page(registry.spec, pages[0])
    registry.ask(ratings=10)
    assert write_rating_page(registry.spec, pages[1]).version == 3
    saved = tmp_path / "saved.csv"
    saved.write_text(as_saved(pages[0].read_text(encoding="utf-8"), likes="positive"), encoding="utf-8")
    with pytest.raises(DataError, match=r"line 2: the page asks about another version.*--version"):
        take_ratings(registry.spec, [saved])
    assert "candidate better 10, champion 0" in take_ratings(registry.spec, [saved], version=2).verdict.because


def as_saved(html: str, *, likes: str) -> str:
    """What a page saves for somebody who prefers one word, by the columns and the mark of its own script."""
    header = re.findall(r'\["([\w,]+)\\r', html)[0]
    mark = re.findall(r'trim\(\), "(\w+)"\]', html)
    contents, answers = (
        re.findall(r'data-content="(\w+)"', html),
        re.findall(r'<div class="answer" dir="auto">(\w+)</div>', html),
    )
    rows = [
        ",".join(["c" + c, "a" if a == likes else "b", "cy", *mark])
        for c, a in zip(contents, answers[::2], strict=True)
    ]
    return "\r\n".join([header, *rows, ""])


def test_what_is_said_after_ratings_names_the_version_that_was_rated_and_what_may_be_done_with_it(
    registry: Asking,
) -> None:
    registry.ask(ratings=2)
    registry.ask()
    once = rate(
        registry.spec,
        rater="ann",
        choose=lambda shown, number, of: "same" if number == 1 else None,
        warn=print,
        version=2,
    )
    told, onwards = describe_rated(once, registry.spec)
    assert told.startswith("1 rating kept; version 2")
    assert f"upkeep rate {registry.spec} --version 2 --rater NAME" in onwards and "approve" not in onwards
    assert (
        f"upkeep approve {registry.spec} --version 3"
        in describe_rated(rated(registry, "bo", likes("x")), registry.spec)[1]
    )


def test_a_program_that_has_a_page_written_reads_which_version_it_asks_about(registry: Asking, tmp_path: Path) -> None:
    registry.ask()
    page = tmp_path / "rate.html"
    said = CliRunner().invoke(app, ["rate", str(registry.spec), "--page", str(page), "--json"])
    assert json.loads(said.output) == {"version": 2, "page": str(page)} and page.is_file()


def test_a_page_is_not_written_where_another_is_handed_in_whose_ratings_would_be_lost(tmp_path: Path) -> None:
    both = ["--page", str(tmp_path / "new.html"), "--take", str(tmp_path / "ann.csv")]
    refused = CliRunner().invoke(app, ["rate", str(tmp_path / "spec.yaml"), *both])
    assert refused.exit_code == 2 and "give one of them" in refused.output


@pytest.mark.parametrize("way", ["--page", "--take"])
def test_a_name_is_not_taken_where_those_on_the_page_count(way: str, tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["rate", str(tmp_path / "spec.yaml"), way, str(tmp_path / "a"), "--rater", "ann"])
    assert refused.exit_code == 2 and "'ann' is not taken" in refused.output


def test_a_run_that_asks_says_that_a_yes_needs_ratings_where_it_does() -> None:
    request = asked().request
    one = request.model_copy(update={"samples": request.samples.model_copy(update={"rows": 1})})
    (plain,), (rated_first,) = _asked(one, "SPEC"), _asked(asked(ratings=5, samples=20).request, "SPEC")
    assert "approval  1 row with" in plain and "upkeep rate" not in plain
    assert "upkeep rate SPEC, since a yes needs 5 samples rated; then upkeep approve" in rated_first


def test_where_fewer_samples_were_drawn_than_must_be_rated_all_that_tells_of_the_question_says_that_a_yes_needs_force(
    registry: Asking,
) -> None:
    request = asked(ratings=5).request
    (told,) = _asked(request, "SPEC")
    assert "upkeep rate" not in told and "upkeep approve SPEC --reason … --force" in told
    assert "5 must be rated, and there are only 2: a yes needs --force." in asked_in_words(request)
    registry.ask(ratings=5, samples=2)
    found = rated(registry, "ann", likes("positive"))
    assert "2 of 2 samples rated" in described(found) and "5 must be rated, and there are only 2" in described(found)
    assert "upkeep approve spec.yaml --version 2 --reason … --force" in described(found)
    assert "upkeep rate" not in described(found)
    with pytest.raises(NotApproved, match=r"a yes needs --force\. Reject it, or approve it all the same with --force"):
        promoted(registry, why="looks fine")
    assert promoted(registry, why="looks fine", force=True).version == 2


def test_whoever_rates_learns_before_the_first_sample_that_no_ratings_can_suffice(
    registry: Asking, tmp_path: Path
) -> None:
    registry.ask(ratings=5, samples=10, differing=4)
    why = "of the samples of version 2 only 4 can be decided, too few to show a win_rate of 0.5: a yes needs --force"
    told: list[str] = []
    rate(registry.spec, rater="ann", choose=lambda *_: told.append("asked"), warn=told.append)
    assert told == [why, "asked"]
    page = CliRunner().invoke(app, ["rate", str(registry.spec), "--page", str(tmp_path / "rate.html"), "--json"])
    assert page.stderr == f"{why}\n" and json.loads(page.stdout)["version"] == 2
    registry.ask(ratings=5, samples=10, differing=5)
    rate(registry.spec, rater="ann", choose=lambda *_: told.append("asked"), warn=told.append)
    assert told == [why, "asked", "asked"]


def test_a_question_without_enough_to_choose_between_says_so_wherever_it_is_told() -> None:
    request = asked(ratings=5, samples=20).request
    few = request.model_copy(update={"differing": 4})
    assert "Of its samples only 4 can be decided, too few to show a win_rate of 0.5" in asked_in_words(few)
    assert "upkeep rate" not in _asked(few, "SPEC")[0]
    strict = request.model_copy(update={"differing": 13, "win_rate": 0.8})
    assert "only 13 can be decided, too few to show a win_rate of 0.8" in strict.lack  # of 14, all won, it is 80.7 %
    assert "" == strict.model_copy(update={"differing": 14}).lack == few.model_copy(update={"ratings": 0}).lack


@pytest.mark.slow
def test_the_command_asks_and_says_how_it_stands(registry: Asking) -> None:
    registry.ask(ratings=2)
    said = upkeep("rate", str(registry.spec), "--rater", "ann", typed="a\nwhat\ns\nq\n")
    assert "--- 1 of 10" in said.stdout
    assert "'what' is no answer" in said.stdout
    assert "2 ratings kept; version 2: 2 of 10 samples rated" in said.stdout
    asked_beside = upkeep("rate", str(registry.spec), "--rater", "ann", "--json", typed="a\nwhat\nq\n")
    assert json.loads(asked_beside.stdout)["gate"] == "ratings"
    assert "--- 1 of 8" in asked_beside.stderr and "'what' is no answer" in asked_beside.stderr


def test_a_version_that_waits_for_no_answer_is_refused_with_what_became_of_it(registry: Asking) -> None:
    registry.ask()
    registry.ask(now=LONG_AGO)
    for version, why in {3: "expired", 0: "nobody was asked about it"}.items():
        with pytest.raises(SpecError, match=f"version {version} waits for no answer: {why}"):
            rate(registry.spec, rater="ann", choose=likes("x"), warn=print, version=version)


def test_where_nothing_waits_there_is_nothing_to_rate(registry: Asking) -> None:
    with pytest.raises(SpecError, match=r"release\.approval makes runs ask"):
        rated(registry, "ann", likes("x"))
