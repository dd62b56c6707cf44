"""The process that looks after the embedded S3 server: `python -m infra.local_server DIRECTORY`."""

import fcntl
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from infra.files import force_to_disk
from infra.seaweed import PORTS, command, environment, free_ports, weed

GRACE_SECONDS = 3
DATA, ENDPOINT, USERS, SERVER, LOG = "data", "endpoint.json", "users.lock", "server.lock", "server.log"
"""In the server's directory."""


@dataclass(frozen=True)
class Endpoint:
    url: str
    access_key: str
    secret_key: str
    pid: int
    ports: dict[str, int]


def supervise(directory: Path) -> None:
    """Runs the server until no user holds the lock, then stops it."""
    endpoint_file, ports = directory / ENDPOINT, free_ports(len(PORTS))
    keys = {"access_key": secrets.token_hex(10), "secret_key": secrets.token_hex(20)}
    with _only_server(directory) as lock:
        server = subprocess.Popen(command(directory / DATA, ports), env=environment(keys), pass_fds=[lock.fileno()])
        try:
            _note(Endpoint(url=f"http://127.0.0.1:{ports['s3']}", pid=server.pid, ports=ports, **keys), endpoint_file)
            with (directory / USERS).open("w") as users:
                _wait_until_unused(users.fileno(), server)
                endpoint_file.unlink(missing_ok=True)
                if _stop(server):
                    lock.truncate(0)
        finally:
            _stop(server)


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


def _note(endpoint: Endpoint, file: Path) -> None:
    draft = file.with_suffix(".part")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(endpoint)))
    draft.replace(file)


def _wait_until_unused(lock: int, server: "subprocess.Popen[bytes]") -> None:
    time.sleep(GRACE_SECONDS)
    while server.poll() is None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.5)


def _stop(server: "subprocess.Popen[bytes]") -> bool:
    """Whether it ended by itself once it was asked to."""
    if server.poll() is not None:
        return False
    server.terminate()
    try:
        return server.wait(20) == 0
    except subprocess.TimeoutExpired:
        server.kill()
        return False


if __name__ == "__main__":
    supervise(Path(sys.argv[1]))
