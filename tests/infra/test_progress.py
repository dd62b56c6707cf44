import io
import time
from collections.abc import Callable
from contextlib import nullcontext

import pytest

from infra import progress
from infra.progress_artifact import Far


def test_in_a_log_long_work_tells_whole_lines_and_short_work_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 1000, 5))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.bar("scoring", total=100, unit="rows") as advance:
        advance(10)
        assert capsys.readouterr().err == ""
        advance(10)
        advance(10)
    assert capsys.readouterr().err == "  scoring: 20 of 100 rows, 20% after 10 s\n"


def test_work_that_is_counted_in_nothing_that_a_person_counts_tells_its_share(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(progress, "shown_in_prefect", lambda how_far: nullcontext(asked.append(how_far)))
    asked: list[Callable[[], Far]] = []
    with progress.bar("training", total=1000, unit="") as advance:
        advance(316)
        assert asked[0]().words == "training: 32%"
    assert capsys.readouterr().err == "  training: 32% after 20 s\n"


def test_work_of_unknown_length_tells_how_much_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.bar("reading", total=None, unit="rows") as advance:
        advance(5000)
    assert capsys.readouterr().err == "  reading: 5,000 rows after 20 s\n"


@pytest.mark.parametrize(("total", "done", "percent"), [(0, 0, 0), (10, 5, 50), (10, 20, 100)])
def test_work_of_which_there_is_none_or_more_than_was_thought_is_no_error_and_no_more_than_all(
    total: int, done: int, percent: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(progress, "shown_in_prefect", lambda how_far: nullcontext(asked.append(how_far)))
    asked: list[Callable[[], Far]] = []
    with progress.bar("scoring", total=total, unit="rows") as advance:
        advance(done)
        assert asked[0]().percent == percent
    assert asked[0]().percent == 100
    assert f"  scoring: {done} of {total} rows, " in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("total", "told"), [(200_000, "| 5,000/200,000 rows ["), (None, "  scoring: 5,000 rows [")])
def test_rows_are_counted_in_a_terminal_as_they_are_in_a_log(
    total: int | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", terminal)
    with progress.bar("scoring", total=total, unit="rows") as advance:
        time.sleep(0.25)  # sooner it is not drawn again
        advance(5000)
    assert told in terminal.getvalue()


@pytest.mark.parametrize(
    ("total", "unit", "told"),
    [
        (2000, "bytes", ["  sending:   0% |", "/2.00k bytes ["]),
        (None, "bytes", ["  sending: 0.00 bytes ["]),
        (2000, "", ["  sending:   0% |", "| ["]),
    ],
)
def test_in_a_terminal_there_is_a_bar_and_it_goes_when_the_work_is_done(
    total: int | None, unit: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", terminal)
    with progress.bar("sending", total=total, unit=unit) as advance:
        advance(1000)
    assert all(part in terminal.getvalue() for part in told) and "\n" not in terminal.getvalue()
