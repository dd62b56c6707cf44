"""S3 servers that nobody here wrote, as child processes of the tests."""

import os
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.seaweed import PORTS, command, environment, free_ports

SCRIPTS = Path(sysconfig.get_path("scripts"))
BUCKET, KEY, SECRET = "proofs", "proofs-access", "proofs-secret-key"
READY_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A running server with an empty bucket."""

    url: str
    access_key: str = KEY
    secret_key: str = SECRET
    bucket: str = BUCKET


@contextmanager
def seaweed(folder: Path) -> Iterator[Server]:
    """The demo's, but for what makes writes outlast a power cut: nobody's power is cut here."""
    ports = free_ports(len(PORTS))
    keys = {"access_key": KEY, "secret_key": SECRET}
    with running(command(folder / "data", ports), environment(keys), folder, ports["s3"]) as server:
        yield server


@contextmanager
def ministack(folder: Path) -> Iterator[Server]:
    port = free_port()
    settings = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "S3_DATA_DIR": str(folder / "s3"),
        "S3_PERSIST": "1",
    }
    with running([str(SCRIPTS / "ministack")], settings, folder, port) as server:
        yield server


@contextmanager
def moto(folder: Path) -> Iterator[Server]:
    """Keeps everything in memory, takes any key, and keeps no conditional write from two at once."""
    port = free_port()
    with running([str(SCRIPTS / "moto_server"), "-H", "127.0.0.1", "-p", str(port)], {}, folder, port) as server:
        yield server


@contextmanager
def juicefs(folder: Path) -> Iterator[Server]:
    """Answers 200 to `If-None-Match`, whether or not there is an object."""
    port, meta = free_port(), f"sqlite3://{folder}/meta.db"
    formatting = [str(SCRIPTS / "juicefs"), "format", meta, "proofs", "--storage", "file", "--bucket", f"{folder}/data"]
    subprocess.run(formatting, check=True, capture_output=True)
    gateway = [str(SCRIPTS / "juicefs"), "gateway", meta, f"127.0.0.1:{port}", "--no-banner", "--multi-buckets",
               "--log", f"{folder}/gateway.log", "--no-usage-report", "--cache-dir", f"{folder}/cache"]  # fmt: skip
    with running(gateway, {"MINIO_ROOT_USER": KEY, "MINIO_ROOT_PASSWORD": SECRET}, folder, port) as server:
        yield server


@contextmanager
def running(program: list[str], settings: dict[str, str], folder: Path, port: int) -> Iterator[Server]:
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(program, env={**os.environ, **settings}, stdout=log, stderr=log, cwd=folder)
        try:
            server = Server(f"http://127.0.0.1:{port}")
            _wait(server, process, folder / "server.log")
            yield server
        finally:
            process.kill()
            process.wait()


def _wait(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    client: Any = boto3.client(
        "s3", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET,
        config=Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=5, s3={"addressing_style": "path"}),
    )  # fmt: skip
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.create_bucket(Bucket=BUCKET)
            return
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
    raise AssertionError(f"{process.args} did not start: {log.read_text()[-2000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
