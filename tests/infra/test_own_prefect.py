"""Prefect's own server: it comes up beside a command's imports, is the only one, and ends with the command."""

import os
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from errors import PoolError
from infra import own_prefect
from infra.own_prefect import OwnServer, prefect_coming_up
from tests.flows.conftest import SPEC

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120
READY = "from infra.settings import prepare_environment; prepare_environment(verbose=False)\n"
COMMAND = """
import atexit, os, sys
atexit.register(lambda: print(os.environ["PREFECT_API_URL"], "prefect.server" in sys.modules))  # the last of all
sys.argv[1:] = ["monitor", *sys.argv[1:]]
from flows.cli_entry import main
main()
"""
INTERRUPTED = """
import signal, sys
from infra.own_prefect import OwnServer
def interrupt(server, seconds):
    print(server.port)
    signal.raise_signal(signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)  # who was started in the background ignores it
OwnServer.wait = interrupt
sys.argv[1:] = ["monitor", *sys.argv[1:]]
from flows.cli_entry import main
main()
"""
KILLED = f"""
import sys, time
from infra.own_prefect import OwnServer
{READY}
server = OwnServer()
if sys.argv[1:] == ["up"]:
    server.wait({PATIENCE})
print(server.port, flush=True)
time.sleep({PATIENCE})
"""
NAMED = f"""
import os
from infra import own_prefect
{READY}
class Seen(own_prefect.OwnServer):
    def __init__(self):
        super().__init__()
        seen.append(self.process)
seen, own_prefect.OwnServer = [], Seen
with own_prefect.prefect_coming_up():
    pass
from prefect.settings import PREFECT_API_URL
print(PREFECT_API_URL.value(), os.environ.get("PREFECT_API_URL"), *(process.poll() for process in seen))
"""


@pytest.fixture(scope="module")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its database is made by the first server."""
    return tmp_path_factory.mktemp("prefect")


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "UPKEEP_"))}
    return {**kept, "PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT)}


def python(code: str, *arguments: object, home: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(home), cwd=home, timeout=PATIENCE)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(SPEC))
    return path


@pytest.mark.slow
def test_a_flow_runs_on_the_server_that_its_command_began_with_which_imports_none_and_leaves_none(
    spec: Path, prefect_home: Path
) -> None:
    done = python(COMMAND, spec, "-v", home=prefect_home)
    assert done.returncode == 2 and "upkeep bootstrap" in done.stderr, done.stderr
    assert "View at http://127.0.0.1:4200/" in done.stderr  # by `upkeep ui`
    url, imported = done.stdout.split()
    assert imported == "False"
    assert not listens(int(url.removesuffix("/api").rpartition(":")[2]))
    with sqlite3.connect(prefect_home / "prefect.db") as database:
        assert database.execute("select state_type from flow_run").fetchall() == [("FAILED",)]


@pytest.mark.slow
def test_a_database_that_a_newer_prefect_has_used_is_told_as_soon_as_the_server_refuses_it(
    spec: Path, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "prefect.db") as database:
        database.execute("create table alembic_version (version_num)")
        database.execute("insert into alembic_version values ('of a newer one')")
    done = python(COMMAND.replace('["PREFECT_API_URL"]', '.get("PREFECT_API_URL")'), spec, home=tmp_path)
    assert (done.returncode, done.stdout) == (7, "None False\n"), done.stderr
    assert len(done.stderr.splitlines()) == 1 and "-v" in done.stderr and "PREFECT_HOME" in done.stderr


@pytest.mark.slow
def test_ctrl_c_while_the_server_comes_up_ends_the_command_in_one_line_and_the_server_too(
    spec: Path, prefect_home: Path
) -> None:
    done = python(INTERRUPTED, spec, home=prefect_home)
    assert done.returncode == 130
    assert done.stderr == "upkeep: interrupted; run it again, and it goes on where it was\n"
    assert not listens(int(done.stdout))


@pytest.mark.parametrize("when", ["coming up", pytest.param("up", marks=pytest.mark.slow)])
def test_a_server_ends_with_a_command_that_was_killed(when: str, prefect_home: Path) -> None:
    command = [sys.executable, "-c", KILLED, when]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(prefect_home)) as killed:
        assert killed.stdout is not None
        port = int(killed.stdout.readline())
        assert listens(port)
        killed.kill()
        deadline = time.monotonic() + PATIENCE
        while listens(port) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not listens(port)


def test_nothing_is_started_where_the_environment_names_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setattr(own_prefect, "OwnServer", lambda: pytest.fail("a server is started"))
    with prefect_coming_up():
        pass
    assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:9/api"


def test_where_a_profile_of_prefects_names_a_server_the_own_one_ends_before_it_is_up(tmp_path: Path) -> None:
    mine = 'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "http://127.0.0.1:9/api"\n'
    (tmp_path / "profiles.toml").write_text(mine)
    done = python(NAMED, home=tmp_path)
    assert done.stdout == "http://127.0.0.1:9/api None -15\n", done.stderr
    assert not (tmp_path / "prefect.db").exists()


LATE, ENDED = "time.sleep(60)", "raise SystemExit(3)"
BROKEN = r"socket.socket(fileno=int(sys.argv[1])).accept()[0].sendall(b'HTTP/1.1 503 Broken\r\n\r\n')"


@pytest.mark.parametrize(
    ("program", "how"),
    [
        (LATE, "come up within 1 seconds: with -v"),
        (ENDED, "come up: with -v"),
        (BROKEN, r"come up \(it answered 503\)"),
    ],
)
def test_a_server_that_does_not_come_up_is_told_with_how_and_with_what_can_be_done(
    program: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serving(program, tmp_path, monkeypatch)
    with pytest.raises(PoolError, match=rf"did not {how}.*PREFECT_HOME.*PREFECT_API_URL"):
        server.wait(1 if program == LATE else PATIENCE)
    server.stop()


def test_a_server_that_does_not_end_when_it_is_asked_to_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); {BROKEN}; {LATE}"
    server = serving(stubborn, tmp_path, monkeypatch)
    monkeypatch.setattr(own_prefect, "STOP_SECONDS", 0.2)
    with pytest.raises(PoolError):
        server.wait(PATIENCE)  # by then it ignores what asks it to end
    server.stop()
    assert server.process.returncode == -9


def serving(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> OwnServer:
    """Another program in the place of Prefect's."""
    (folder / "server.py").write_text(f"import signal, socket, sys, time\n{program}\n")
    monkeypatch.setattr(own_prefect, "PROGRAM", folder / "server.py")
    return OwnServer()
