"""What people's ratings show, and what a filled sheet may say."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from errors import DataError
from models.contracts import ApprovalRequest, Rating, Ratings, Table, Verdict
from tasks.metrics.agreement import win_rate
from tasks.rating_page import read_page_ratings
from tasks.rating_sheets import read_ratings, read_samples, write_sheet
from tasks.ratings import judge_ratings
from tests.questions import sample

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def question(*, ratings: int = 5, win_rate: float = 0.5, samples: int = 20) -> ApprovalRequest:
    sheet = Table(uri="", sha256="", bytes=0, rows=samples)
    return ApprovalRequest(version=2, run_id="r", champion_version=1, manifest_sha256="m", asked_at=NOW, expires_at=NOW,
                           samples=sheet, ratings=ratings, win_rate=win_rate, differing=samples)  # fmt: skip


def said(verdicts: str, *, rater: str = "ann", at: int = 0) -> Ratings:
    """One letter a sample: + candidate, - champion, = same; a blank is not rated."""
    words = {"+": "candidate", "-": "champion", "=": "same"}
    rated = [Rating.model_validate({"content": str(i), "better": words[v], "rater": rater})
             for i, v in enumerate(verdicts) if v.strip()]  # fmt: skip
    return Ratings(version=2, request_sha256="q", given=tuple(rated), who="ops", at=NOW + timedelta(hours=at))


@given(st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_bounds_are_those_of_the_exact_binomial_test(counts: tuple[int, int]) -> None:
    wins, decided = counts
    found = win_rate(wins, decided)
    assert 0 <= found.low <= found.value <= found.high <= 1
    if decided:
        level = {"confidence_level": 0.95, "method": "exact"}
        assert found.low == pytest.approx(
            stats.binomtest(wins, decided, alternative="greater").proportion_ci(**level).low
        )
        assert found.high == pytest.approx(
            stats.binomtest(wins, decided, alternative="less").proportion_ci(**level).high
        )


@pytest.mark.parametrize(
    ("verdicts", "verdict", "because"),
    [
        ("++++", Verdict.INSUFFICIENT, "4 of 20 samples rated.*5 must be rated"),
        ("+++++", Verdict.BLESSED, r"wins 100% of 5 decided \[55%, 100%\], shown to be at least 50%"),
        ("++++-", Verdict.INSUFFICIENT, "too few to show 50%"),
        ("++++=", Verdict.INSUFFICIENT, r"4 decided \[47%"),
        ("=====", Verdict.INSUFFICIENT, "nobody saw a difference"),
        ("-----", Verdict.REJECTED, r"wins 0% of 5 decided \[0%, 45%\], shown to be below 50%"),
        ("+" * 15 + "-" * 5, Verdict.BLESSED, "candidate better 15, champion 5, same 0"),
        ("+" * 14 + "-" * 6, Verdict.INSUFFICIENT, r"\[49%, 86%\]"),
    ],
)
def test_the_verdict_is_blessed_rejected_or_too_little_evidence(verdicts: str, verdict: Verdict, because: str) -> None:
    found = judge_ratings([said(verdicts)], question())
    assert found.verdict is verdict
    assert re.search(because, found.because), found.because


@pytest.mark.parametrize(
    ("wins", "losses", "limit", "because"),
    [
        (17, 8, 0.5, r"\[49.6%, 83%\]: too few to show 50%"),
        (56, 39, 0.5, r"\[49.996%, 67%\]: too few to show 50%"),
        (5, 13, 0.5, r"\[12%, 49.8%\], shown to be below 50%"),
        (14, 6, 0.494, r"\[49%, 86%\]: too few to show 49.4%"),
        (5, 0, 0.549, r"\[55%, 100%\], shown to be at least 54.9%"),
    ],
)
def test_a_bound_reads_as_it_lies_to_what_was_asked_for(wins: int, losses: int, limit: float, because: str) -> None:
    found = judge_ratings([said("+" * wins + "-" * losses)], question(win_rate=limit))
    assert re.search(because, found.because), found.because


def test_a_sample_counts_once_by_the_majority_of_those_who_rated_it() -> None:
    sheets = [said("+++"), said("+-=", rater="ben"), said("-- ", rater="cem")]
    assert "3 of 20 samples rated: candidate better 2, champion 1, same 0" in judge_ratings(sheets, question()).because


def test_of_what_a_person_says_twice_the_last_counts_whatever_the_order_of_the_files() -> None:
    sheets = [said("--", at=2, rater="Ann"), said("++", at=1)]
    assert "candidate better 0, champion 2" in judge_ratings(sheets, question()).because


def test_nothing_rated_is_never_blessed_even_where_none_is_asked_for() -> None:
    assert judge_ratings([], question(ratings=0, win_rate=0.0)).verdict is Verdict.INSUFFICIENT


# --- the sheet ---


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8), max_size=5))
def test_a_sheet_gives_back_the_samples_that_were_written(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    rows = [
        sample(0).model_copy(update={"text": text, "label": None if i % 2 else "positive"})
        for i, text in enumerate(texts)
    ]
    path = tmp_path_factory.mktemp("sheet") / "samples"
    write_sheet(rows, path)
    assert read_samples(path) == rows


def test_a_sheet_gives_back_answers_of_which_nobody_says_how_sure_they_are(tmp_path: Path) -> None:
    """An empty answer has no confidence, nor has any of an API that gives no probabilities."""
    rows = [sample(0).model_copy(update={"champion": "", "champion_confidence": None, "candidate_confidence": None})]
    write_sheet(rows, tmp_path / "samples")
    assert read_samples(tmp_path / "samples") == rows


def written(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "filled.csv"
    path.write_text("\n".join(["better,rater,content", *rows]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        (["candidat,ann,c1"], "line 2: better is 'candidat'; write champion, candidate, same or nothing"),
        (["same,,c1"], "line 2: rated by nobody"),
        ([",,c1", "same,ann,c9"], "line 3: 'c9' is no sample of version 2"),
        ([",,c1"], "rates nothing"),
    ],
)
def test_a_sheet_that_says_nothing_or_too_much_is_refused_with_its_line(
    rows: list[str], refused: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=refused):
        read_ratings(written(tmp_path, *rows), asked={"c1", "c2"}, version=2)


def test_a_sheet_and_what_a_page_saved_are_told_which_command_takes_them_where_they_are_given_to_the_other(
    tmp_path: Path,
) -> None:
    sheet, saved = written(tmp_path, "same,ann,c1"), tmp_path / "saved.csv"
    saved.write_text("content,choice,rater\nc1,a,ann\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no column 'choice'.*column `better` it is for: upkeep approve .* --ratings"):
        read_page_ratings(sheet, asked={"c1"}, question="q")
    with pytest.raises(DataError, match=r"no column 'better'.*column `choice` it is for: upkeep rate SPEC --take"):
        read_ratings(saved, asked={"c1"}, version=2)


def test_a_row_that_nobody_rated_is_left_out(tmp_path: Path) -> None:
    (rating,) = read_ratings(written(tmp_path, ",,c1", " Candidate , ann ,c2"), asked={"c1", "c2"}, version=2)
    assert (rating.content, rating.better, rating.rater) == ("c2", "candidate", "ann")
