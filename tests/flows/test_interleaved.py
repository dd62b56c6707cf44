"""Commands that run at once, on two machines: a run and a rollback, and a yes and a no, at every request at which it can make a
difference, other pairs at some of these."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.tasks import Task

from errors import UpkeepError
from flows import registry as collecting
from flows.bootstrap import bootstrap
from flows.maintain import maintain
from flows.promote import promote
from flows.registry import audit_registry, collect_garbage
from flows.rollback import rollback
from infra import workspace
from infra.conditional import ROUNDS, remember
from infra.object_store import ObjectStore
from models.contracts import ApprovalAnswer, Ended, Outcome, Release, RunReport
from tasks.history import read_history
from tasks.opened import open_run_of
from tasks.registry.aliases import read_log
from tasks.registry.approvals import find_question
from tests.flows.conftest import Home, flipped, moved
from tests.flows.interleaved import Command, Turns, interleavings
from tests.servers import KEY, SECRET
from tests.stores import Objects, objects_of, put_back, store_on
from tests.tiny import sentences

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MOVES = {Outcome.BOOTSTRAPPED, Outcome.RELEASED, Outcome.PROMOTED, Outcome.ROLLED_BACK}
ASKING = {"approval": {"samples": 5}}
DAY = 600
"""Rows that came, on each of three days."""

Work = Callable[["Night"], Any]


class Night:
    """Version 2 is champion, the rows of the third day call for a third version, and the work for it is remembered; so that what a
    command does now is hardly more than to ask and tell the store. Or the third waits for a person's answer."""

    def __init__(self, folder: Path, store: ObjectStore) -> None:
        self.store, self.turns, self.home = store, Turns(), Home(folder)
        self._write_spec({})
        self.home.receive("day-0", sentences(DAY))
        bootstrap.fn(self.home.spec)
        self.home.receive("day-1", moved(DAY, start=2000))
        maintain.fn(self.home.spec)
        self.written = objects_of(store)
        self.home.receive("day-2", flipped(moved(DAY, start=5000)))
        maintain.fn(self.home.spec)
        self.written |= {key: data for key, data in objects_of(store).items() if is_work(key)}
        self.begin()
        self._write_spec(ASKING)
        maintain.fn(self.home.spec)
        self.waiting = objects_of(store)
        for machine in ("first", "second"):
            remember([1] * ROUNDS, store.client, store.bucket, cache=folder / machine / "cache")

    def begin(self) -> None:
        self._put_back(self.written, {})

    def begin_waiting(self) -> None:
        self._put_back(self.waiting, ASKING)

    def _put_back(self, written: Objects, release: dict[str, Any]) -> None:
        """The night anew. What is there is old to `upkeep gc`, and what comes is young."""
        self._write_spec(release)
        for key in self.store.list_keys(""):
            if self.store.prefix + key not in written and not is_work(key):
                self.store.delete(key)
        put_back(written, self.store)
        self.began = datetime.now(UTC)

    def _write_spec(self, release: dict[str, Any]) -> None:
        self.home.write_spec(gates=[{"kind": "better"}], release=release)

    def ends_well(self, commands: tuple[Command, Command]) -> None:
        """Each was told what is so, the next run ends, and then everything fits."""
        for command in commands:
            assert isinstance(command.came_to, Ended | Release | ApprovalAnswer | UpkeepError | tuple), command.came_to
        maintain.fn(self.home.spec)
        log, history = read_log("champion", store=self.store), read_history(store=self.store)
        assert audit_registry(self.home.spec, deep=True).misfits == ()
        assert open_run_of(store=self.store) is None
        runs = [entry.run_id for entry in history]
        assert len(set(runs)) == len(runs)
        assert {entry.run_id for entry in log} == {entry.run_id for entry in history if entry.outcome in MOVES}
        assert sum(entry.rows for entry in history) == 3 * DAY
        kept = [entry.report for entry in history if entry.report]
        assert all(self.store.is_whole(page) for pages in kept for page in (pages.html, pages.markdown, pages.json_))
        shown = [command.came_to.pages for command in commands if isinstance(command.came_to, Ended)]
        assert all(pages in kept for pages in shown if pages)
        told = [released(command) for command in commands]
        assert {release.entry.token for release in told if release} <= {entry.token for entry in log}

    def is_answered_once(self, commands: tuple[Command, Command]) -> None:
        """Who answered was told the answer that stands, and where that is a no, the third version was never champion."""
        question = find_question(3, store=self.store)
        assert question is not None
        said = [command.came_to for command in commands if isinstance(command.came_to, ApprovalAnswer)]
        assert said in ([], [question.answer])
        if question.answer and question.answer.verdict == "reject":
            assert 3 not in {entry.version for entry in read_log("champion", store=self.store)}


def is_work(key: str) -> bool:
    """Whether it only saves work: of that, what other nights left stays."""
    return any(f"/{folder}/" in f"/{key}" for folder in ("stages", "candidates", "blobs"))


def released(command: Command) -> Release | None:
    came = command.came_to
    if isinstance(came, Ended) and isinstance(came.report, RunReport):
        return came.report.release
    return came if isinstance(came, Release) else None


@pytest.fixture(scope="module")
def night(s3_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("night")
    store = store_on(s3_url, folder, prefix="models/test/")
    settings = {"S3_BUCKET": store.bucket, "S3_ENDPOINT_URL": s3_url, "S3_ACCESS_KEY": KEY, "S3_SECRET_KEY": SECRET}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Task, "__call__", lambda self, *given, **named: self.fn(*given, **named))
        for name, value in settings.items():
            patched.setenv(f"UPKEEP_{name}", value)
        found = Night(folder, store)
        watch(found, patched)
        yield found


def watch(night: Night, patched: pytest.MonkeyPatch) -> None:
    """Each command has a home of its own, and is let go on by its turn; and whatever is older than the night is old."""
    connect, read_settings = workspace.connect, workspace.read_settings

    def watched(**given: Any) -> ObjectStore:
        opened = connect(**given)
        night.turns.watch(opened)
        return opened

    def settings_of_a_machine() -> Any:
        command = night.turns.now()
        return read_settings().model_copy(update={"home": night.home.folder / command.name} if command else {})

    patched.setattr(workspace, "connect", watched)
    patched.setattr(workspace, "read_settings", settings_of_a_machine)
    patched.setattr(collecting, "_period", lambda *_, **__: datetime.now(UTC) - night.began)


def run(night: Night) -> Any:
    return maintain.fn(night.home.spec)


def back(night: Night) -> Any:
    return rollback.fn(night.home.spec)


def gc(night: Night) -> Any:
    return collect_garbage(night.home.spec, keep=1, older_than="", entries=1, uploads_older_than="", blobs_older_than="",
                           reports_older_than="never", apply=True)  # fmt: skip


def yes(night: Night) -> Any:
    return promote.fn(night.home.spec, why="reads well")


def no(night: Night) -> Any:
    return promote.fn(night.home.spec, answer="reject", why="it is rude")


@pytest.mark.parametrize(("first", "second", "every"), [(run, run, 6), (run, back, 1), (back, run, 1), (back, gc, 4)])
def test_wherever_one_command_stands_still_while_another_runs_both_are_told_the_truth_and_the_next_run_ends(
    first: Work, second: Work, every: int, night: Night
) -> None:
    tried = 0
    for commands in interleavings(night.turns, *both(first, second, night), night.begin, every=every):
        night.ends_well(commands)
        tried += 1
    assert tried > 5


@pytest.mark.parametrize(("first", "second"), [(yes, no), (no, yes)])
def test_wherever_one_answer_stands_still_while_another_is_given_one_of_them_stands(
    first: Work, second: Work, night: Night
) -> None:
    tried = 0
    for commands in interleavings(night.turns, *both(first, second, night), night.begin_waiting, every=1):
        night.ends_well(commands)
        night.is_answered_once(commands)
        tried += 1
    assert tried > 5


def both(first: Work, second: Work, night: Night) -> tuple[Callable[[], Command], Callable[[], Command]]:
    return lambda: Command("first", lambda: first(night)), lambda: Command("second", lambda: second(night))
