import pytest

from infra import progress


def test_in_a_log_long_work_tells_whole_lines_and_short_work_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.bar("scoring", total=100, unit="rows") as advance:
        advance(10)
        advance(10)
        assert capsys.readouterr().err == ""
        advance(10)
    assert capsys.readouterr().err == "  scoring: 30 of 100 rows, 30% after 12 s\n"


def test_work_of_unknown_length_tells_how_much_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.bar("reading", total=None, unit="rows") as advance:
        advance(5000)
    assert capsys.readouterr().err == "  reading: 5,000 rows after 20 s\n"
