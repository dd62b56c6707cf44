"""Upkeep's own S3 server for a laptop: SeaweedFS on loopback, a child process that cannot outlive its users.

Every user holds a shared lock on one file; a small supervisor (infra/local_server.py) waits for that lock to fall free (the
kernel frees it even after kill -9), then stops the server. Two commands at the same time share one server.
"""

import fcntl
import logging
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from errors import StoreError
from infra.files import try_lock
from infra.local_server import DATA, ENDPOINT, LOG, SUPERVISOR, USERS, Endpoint, noted
from infra.seaweed import weed

logger = logging.getLogger(__name__)
BUCKET = "upkeep"
START_SECONDS, STARTS, TOLD_SECONDS = 60, 3, 10
FIRST = "fs.configure -locationPrefix=/buckets/ -fsync=true -apply\nfs.log.purge -daysAgo=0\nexit\n"
"""Writes are forced to the disk (infra/lasting.py). Every start leaves one more log of changed names, which nobody here follows and
each later start reads (docs/performance.md)."""
FORCES = re.compile(r'"fsync": *true')
"""How many spaces it writes there hangs on the bytes of its program, and so on the platform."""


@contextmanager
def local_store(directory: Path) -> Iterator[Endpoint]:
    """An S3 server with its data under `directory`, for as long as somebody uses it."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / USERS).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield _running(directory)


def held_in(directory: Path) -> Path:
    """Where the server of a directory keeps what it is given."""
    return directory / DATA


def _running(directory: Path) -> Endpoint:
    """The endpoint of the server that is up, or of one that is started now; one starter at a time."""
    with (directory / "start.lock").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        state = directory / ENDPOINT
        endpoint = noted(state)
        if endpoint is None or not _answers(endpoint):
            return _start(directory, state)
        if not _is_supervised(directory):
            _supervise_again(directory, endpoint)
        return endpoint


def _is_supervised(directory: Path) -> bool:
    with (directory / SUPERVISOR).open("w") as alone:
        return not try_lock(alone)


def _supervise_again(directory: Path, endpoint: Endpoint) -> None:
    """Others may be in the midst of using this server, so it goes on."""
    logger.warning("the embedded S3 server (process %d) goes on alone: what should stop it after its last use was killed. It is "
                      "used, and will be stopped after that", endpoint.pid)  # fmt: skip
    supervisor, deadline = _supervisor(directory), time.monotonic() + TOLD_SECONDS
    while not _is_supervised(directory) and supervisor.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)  # or the next user would begin another


def _start(directory: Path, state: Path) -> Endpoint:
    weed()  # or an error that says how to install it
    deadline = time.monotonic() + START_SECONDS
    for _ in range(STARTS):  # a port that was free may be taken by now
        endpoint = _started(directory, state, deadline)
        if endpoint:
            return endpoint
        if time.monotonic() >= deadline:
            break
    raise StoreError(f"the embedded S3 server did not start ({STARTS} tries, at most {START_SECONDS} s); its log is "
                     f"{directory / LOG}")  # fmt: skip


def _started(directory: Path, state: Path, deadline: float) -> Endpoint | None:
    """None where the server ended, or does not answer in time."""
    state.unlink(missing_ok=True)
    supervisor = _supervisor(directory)
    while time.monotonic() < deadline and supervisor.poll() is None:
        endpoint = noted(state)
        if endpoint and _answers(endpoint) and _forces(endpoint):
            return endpoint
        time.sleep(0.1)
    return None


def _supervisor(directory: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "infra.local_server", str(directory)]
    with (directory / LOG).open("ab") as out:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                                cwd=Path(__file__).resolve().parent.parent)  # fmt: skip


def _answers(endpoint: Endpoint) -> bool:
    """True once the server stores and returns an object: listing buckets works earlier than that."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3", endpoint_url=endpoint.url, region_name="us-east-1",
        aws_access_key_id=endpoint.access_key, aws_secret_access_key=endpoint.secret_key,
        config=Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=5,
                      s3={"addressing_style": "path"}),
    )  # fmt: skip
    try:
        if BUCKET not in {b["Name"] for b in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key=".canary", Body=b"up")
        return client.get_object(Bucket=BUCKET, Key=".canary")["Body"].read() == b"up"
    except (BotoCoreError, ClientError):
        return False


def _forces(endpoint: Endpoint) -> bool:
    """Tells the server what it is to do first; whether it will force what objects hold to the disk before it answers."""
    command = [str(weed()), "shell", f"-master=127.0.0.1:{endpoint.ports['master']}",
               f"-filer=127.0.0.1:{endpoint.ports['filer']}"]  # fmt: skip
    try:
        told = subprocess.run(command, input=FIRST, capture_output=True, text=True, timeout=TOLD_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return told.returncode == 0 and FORCES.search(told.stdout) is not None
