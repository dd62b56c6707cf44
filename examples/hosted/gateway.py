"""The server beside the hosted example: `python -m examples.hosted.gateway FOLDER`, until its standard input ends.

It is `transformers serve`, which nobody here wrote, on loopback, at the address that FOLDER/spec.yaml names. A model's id is
the name of its folder in FOLDER/models.
"""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from models.spec import read_spec

NEEDED = ("fastapi", "uvicorn", "openai")
"""What `transformers serve` imports; all but openai come with Upkeep."""
BEGIN = "from transformers.cli.transformers import main; main()"
START_SECONDS = 120
TOLD = 2000
"""Characters of the log's end that an error shows."""


def require_packages() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"`transformers serve`, this example's server, imports {', '.join(missing)}, which is not installed; run: "
                 f"pip install {' '.join(missing)}")  # fmt: skip


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(port: int, *, models: Path, log: Path) -> Iterator[str]:
    """The address of an API that has the models in the folder `models`, and those that are named by a whole path."""
    command = [sys.executable, "-c", BEGIN, "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=models, env=environment, stdout=output, stderr=output)
    try:
        _await(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait()


def _await(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(url, timeout=5).status_code == 200:
                return
        time.sleep(0.5)
    said = log.read_text(encoding="utf-8", errors="replace")[-TOLD:]
    raise RuntimeError(f"`transformers serve` does not answer at {url}. Is its port taken? The end of {log}:\n{said}")


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python -m examples.hosted.gateway FOLDER, the one that `upkeep demo hosted` laid out")
    require_packages()
    folder = Path(sys.argv[1])
    hosted = read_spec(folder / "spec.yaml").model.hosted
    port = urlsplit(hosted.url).port if hosted else None
    if port is None:
        sys.exit(f"{folder / 'spec.yaml'} names no port in model.hosted.url; is it the hosted example's?")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asked to end, it ends as by Ctrl-C: with its server
    try:
        with suppress(KeyboardInterrupt), serving(port, models=folder / "models", log=folder / "gateway.log") as url:
            print(f"`transformers serve` answers at {url}; its log: {folder / 'gateway.log'}", flush=True)
            sys.stdin.read()
    except RuntimeError as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
