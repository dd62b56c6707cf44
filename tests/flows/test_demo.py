"""How a demo is lived through: its days as acts.yaml has it, what runs beside it, and days that bring a spec."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from errors import DataError, ModelError, SpecError, UpkeepError
from flows.demo import EXAMPLES, MARKER, ROOT, Act, Life, live, play, put_spec, read_life, running
from models.contracts import Outcome, RunReport
from tests.flows.conftest import Home
from tests.tiny import sentences


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_every_example_s_life_is_read_and_its_days_say_how_they_may_end() -> None:
    lives = [read_life(path) for path in EXAMPLES.glob("*/acts.yaml")]
    assert len(lives) >= 6
    assert all(act.expected for life in lives for act in life.acts)
    assert {life.beside for life in lives} == {None, "gateway"}


def test_the_translations_few_rows_may_prove_a_candidate_or_not() -> None:
    last = read_life(EXAMPLES / "translation" / "acts.yaml").acts[-1]
    assert set(last.expected) == {Outcome.RELEASED, Outcome.INSUFFICIENT}


def test_an_example_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no example 'nothing'.*sentiment"):
        read_life(tmp_path / "nothing" / "acts.yaml")


def test_an_installed_package_says_that_the_examples_are_in_the_repository(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no part of the installed package.*repository"):
        read_life(tmp_path / "site-packages" / "examples" / "sentiment" / "acts.yaml")


def test_the_lines_that_a_day_s_spec_changes_are_told(tmp_path: Path) -> None:
    old, new = tmp_path / "spec.yaml", tmp_path / "newer.yaml"
    old.write_text("name: a\nmodel: first\nseed: 1\n")
    new.write_text("name: a\nmodel: second\nseed: 1\n")
    assert put_spec(new, old) == ["- model: first", "+ model: second"]
    assert old.read_text() == new.read_text()


def test_what_runs_beside_a_demo_says_when_it_is_ready_and_ends_with_it(tmp_path: Path) -> None:
    ended, said = tmp_path / "ended", list[str]()
    code = f"import sys; print('ready', flush=True); sys.stdin.read(); open({str(ended)!r}, 'w')"
    with running(python(code), said.append):
        assert said == ["   ready"]
        assert not ended.exists()
    assert ended.exists()


def test_what_runs_beside_a_demo_ends_even_if_the_demo_is_killed(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    beside = f"import sys; print('ready', flush=True); sys.stdin.read(); open({str(ended)!r}, 'w')"
    demo = f"""
import os
from flows.demo import running
with running({python(beside)!r}, print):
    os.kill(os.getpid(), 9)
"""
    killed = subprocess.run(python(demo), cwd=ROOT, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    end = time.monotonic() + 30
    while not ended.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert ended.exists()


def test_what_should_run_beside_a_demo_and_does_not_start_is_told_with_its_reason() -> None:
    with (
        pytest.raises(ModelError, match=r"`python -c 'raise SystemExit.*did not start:\nno port"),
        running(python("raise SystemExit('no port')"), print),
    ):
        pass


def test_data_that_cannot_be_had_is_refused_as_data_and_is_no_bug(tmp_path: Path) -> None:
    (tmp_path / MARKER).touch()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "vaderSentiment-3.3.2.tar.gz").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"could not be prepared:\n.*it is not the published file") as refused:
        play(tmp_path, example="sentiment", say=print)
    assert refused.value.exit_code == 5


def a_day_after_the_first(home: Home, *expected: Outcome) -> Life:
    (home.folder / "batches").mkdir()
    for name, rows in {"a.csv": sentences(200), "b.csv": sentences(200, start=1000)}.items():
        rows.to_csv(home.folder / "batches" / name, index=False)
    home.write_spec(policy={"min_rows": 5000})
    home.spec.rename(home.folder / "cautious.yaml")
    home.write_spec()
    return Life(Act("bootstrap", "a.csv", "the first"), (Act("b", "b.csv", "more", expected, spec="cautious.yaml"),))


@pytest.mark.slow
def test_a_day_that_brings_a_spec_is_judged_by_that_spec(home: Home) -> None:
    ended = live(a_day_after_the_first(home, Outcome.HELD), home.folder, print).report
    assert isinstance(ended, RunReport)
    assert "200 rows are fewer than policy.min_rows = 5000" in ended.headline


@pytest.mark.slow
def test_a_day_that_ends_as_nobody_expected_stops_the_demo(home: Home) -> None:
    life = a_day_after_the_first(home, Outcome.RELEASED, Outcome.REJECTED)
    with pytest.raises(UpkeepError, match="act 'b' ended with held, expected was rejected or released"):
        live(life, home.folder, print)
