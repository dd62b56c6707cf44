"""The process that looks after the embedded S3 server: `python -m infra.local_server DIRECTORY`."""

import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Protocol

from infra.files import force_to_disk, partial, try_lock
from infra.seaweed import PORTS, command, environment, forget_elections, free_ports, tidy, weed

GRACE_SECONDS, STOP_SECONDS = 3, 3
DATA, ENDPOINT, USERS, SERVER, LOG = "data", "endpoint.json", "users.lock", "server.lock", "server.log"
SUPERVISOR = "supervisor.lock"
"""In the server's directory."""


@dataclass(frozen=True)
class Endpoint:
    url: str
    access_key: str
    secret_key: str
    pid: int
    ports: dict[str, int]


class Server(Protocol):
    """A process: one's own child, or another's."""

    @property
    def pid(self) -> int | None: ...

    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float) -> int: ...


def supervise(directory: Path) -> None:
    """Runs the server until no user holds the lock, then stops it; one whose supervisor was killed is used as long."""
    with (directory / SUPERVISOR).open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        with (directory / SERVER).open("a+") as lock:
            left = LeftServer(lock)
            if left.poll() is None and (directory / ENDPOINT).exists():
                _look_after(left, directory)
                return
            _stop(left)  # nobody knows where it is, or it does not answer
        _run(directory)


def _run(directory: Path) -> None:
    ports = free_ports(len(PORTS))
    keys = {"access_key": secrets.token_hex(10), "secret_key": secrets.token_hex(20)}
    with _only_server(directory) as lock:
        forget_elections(directory / DATA)
        server = subprocess.Popen(command(directory / DATA, ports), env=environment(keys), pass_fds=[lock.fileno()])
        lock.write(f"{server.pid}\n")
        lock.flush()
        try:
            _note(
                Endpoint(url=f"http://127.0.0.1:{ports['s3']}", pid=server.pid, ports=ports, **keys),
                directory / ENDPOINT,
            )
            if _look_after(server, directory):
                lock.truncate(0)
        finally:
            _stop(server)
            tidy(ports)


def _look_after(server: Server, directory: Path) -> bool:
    """Stops it once nobody uses it; whether it ended as it should."""
    with (directory / USERS).open("w") as users:
        _wait_until_unused(users.fileno(), server)
        _forget(server, directory / ENDPOINT)
        return _stop(server)


def _forget(server: Server, file: Path) -> None:
    """Unless another server runs there by now, whose users removed the directory and began it anew."""
    endpoint = noted(file)
    if endpoint is None or endpoint.pid == server.pid:
        file.unlink(missing_ok=True)


class LeftServer:
    """A server whose supervisor was killed. It is no child of this process, but holds the lock for as long as it lives, and
    the locked file says its number."""

    UNKNOWN = -1
    """How it ended."""

    def __init__(self, lock: IO[str]) -> None:
        lock.seek(0)
        self.lock, said = lock, lock.read().split()
        self.pid = int(said[-1]) if said and said[-1].isdigit() else None

    def poll(self) -> int | None:
        return self.UNKNOWN if try_lock(self.lock) else None

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, what: signal.Signals) -> None:
        if self.pid and self.poll() is None:
            os.kill(self.pid, what)

    def wait(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("weed", timeout)
            time.sleep(0.1)
        return self.UNKNOWN


@contextmanager
def _only_server(directory: Path) -> Iterator[IO[str]]:
    """Locked, also by the server itself, for as long as that lives. The file says something until the server was stopped as
    it should be; after a power cut, or where it was killed, its indexes may lack what its volumes hold, and objects be there
    that nobody can read. They are written anew from the volumes."""
    with (directory / SERVER).open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if lock.read():
            subprocess.run([str(weed()), "fix", str(directory / DATA)], check=False)  # what it says is in the log
        lock.write("not stopped yet\n")
        lock.flush()
        for path in (directory / SERVER, directory):
            force_to_disk(path)
        yield lock


def noted(file: Path) -> Endpoint | None:
    """None where no server was started, and where a power cut took what was noted."""
    try:
        return Endpoint(**json.loads(file.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _note(endpoint: Endpoint, file: Path) -> None:
    with partial(file) as part:  # which nobody else may read
        part.write_text(json.dumps(asdict(endpoint)))


def _wait_until_unused(lock: int, server: Server) -> None:
    time.sleep(GRACE_SECONDS)
    while server.poll() is None and not try_lock(lock):
        time.sleep(0.5)


def _stop(server: Server) -> bool:
    """Whether it ended by itself once it was asked to. SeaweedFS waits half a minute for connections that it opened to itself and
    never used; all that it answered for is on the disk by then."""
    if server.poll() is not None:
        return False
    server.terminate()
    try:
        return server.wait(STOP_SECONDS) == 0
    except subprocess.TimeoutExpired:
        server.kill()
        return False


if __name__ == "__main__":
    supervise(Path(sys.argv[1]))
