"""The store of infra/compose.yaml without its container: the same script and flags, on loopback and ports of its own."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from infra.seaweed import free_ports
from tests.servers import BUCKET, KEY, READY_SECONDS, SCRIPTS, SECRET, Server

INFRA = Path(__file__).resolve().parents[2] / "infra"
SERVICES: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]
STORE: dict[str, Any] = SERVICES["store"]
STOP_SECONDS = 30


@contextmanager
def composed_store(folder: Path, *, stopped: bool = False) -> Iterator[tuple[Server, Path]]:
    """The server, and where it keeps what it is given. It is killed at the end, or `stopped` as Docker does."""
    data, ready = folder / "data", folder / "ready"
    data.mkdir(parents=True, exist_ok=True)
    ready.unlink(missing_ok=True)
    ports = free_ports(5)
    environment = {
        "DATA": str(data), "BUCKET": BUCKET, "READY": str(ready), "MASTER": f"127.0.0.1:{ports['master']}",
        "FILER": f"127.0.0.1:{ports['filer']}", "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
        "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
    }  # fmt: skip
    command = ["sh", str(INFRA / "docker/store.sh"), *_on_loopback(ports)]
    with (folder / "store.log").open("ab") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait(ready, process, folder / "store.log")
            yield Server(f"http://127.0.0.1:{ports['s3']}", bucket=BUCKET), data
            if stopped:
                process.terminate()
                assert process.wait(STOP_SECONDS) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _on_loopback(ports: dict[str, int]) -> list[str]:
    """compose's own flags, but for the addresses."""
    ours = {"-ip": "127.0.0.1", "-ip.bind": "127.0.0.1"} | {f"-{name}.port": str(port) for name, port in ports.items()}
    theirs = [flag for flag in STORE["command"] if flag.partition("=")[0] not in ours]
    return [*theirs, *(f"{name}={value}" for name, value in ours.items())]


def _wait(ready: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready.exists():
        if time.monotonic() > deadline or process.poll() is not None:
            raise AssertionError(f"compose's store did not start: {log.read_text()[-2000:]}")
        time.sleep(0.1)
