"""A list that names no time zone is read in the reader's own."""

from datetime import UTC, datetime

from flows.cli_registry import _version_line
from flows.inspect import history_lines
from flows.replay import replay_lines
from models.contracts import VersionLine
from tasks.replay import Replay
from tests.judged import entry


def test_the_lists_of_runs_and_versions_say_that_their_times_are_utc() -> None:
    line = VersionLine(version=2, aliases=(), parent=1, created_at=datetime(2026, 5, 1, 12, tzinfo=UTC), run_id="r",
                       bytes=1, measured=None, recipe="")  # fmt: skip
    run = entry(0)
    missing = Replay(model="m", runs=(), without_report=(run,))
    for told in (_version_line(line), history_lines((run,))[0], replay_lines(missing)[1]):
        assert "2026-05-01 12:00 UTC  " in told
