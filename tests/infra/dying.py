"""A process that is killed in the midst of a transfer, or that lives and says how much memory it took."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.arrival import Arrival
from infra.files import Stored
from infra.object_store import ObjectStore, connect

ROOT = Path(__file__).resolve().parent.parent.parent


class Death:
    """Comes at the so many-th call; at 0: never."""

    def __init__(self, at: int) -> None:
        self.left = at

    def nearer(self, *_: object, **__: object) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def die(job: str, address: dict[str, Any], key: str, path: Path, *, parts: int, sha256: str = "") -> None:
    """Waits for the child, which dies when the store has so many parts, or when so many have arrived."""
    command = [sys.executable, "-m", "tests.infra.dying", job, json.dumps(address), key, str(path), str(parts), sha256]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


def growth(job: str, address: dict[str, Any], key: str, path: Path, *, sha256: str = "") -> int:
    """Bytes by which the peak memory of a child grows that lives."""
    command = [sys.executable, "-m", "tests.infra.dying", job, json.dumps(address), key, str(path), "0", sha256]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def upload(store: ObjectStore, key: str, path: Path, death: Death, _: str) -> None:
    store.client.meta.events.register("response-received.s3.UploadPart", death.nearer)
    store.put_file(key, path)


def download(store: ObjectStore, key: str, path: Path, death: Death, sha256: str) -> None:
    finish = Arrival.finish

    def finish_and_die(self: Arrival, span: Any) -> None:
        finish(self, span)
        death.nearer()

    Arrival.finish = finish_and_die  # type: ignore[method-assign]
    store.download(Stored(store.uri(key), sha256, 0), path)


def peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


if __name__ == "__main__":
    job, address, key, path, parts, sha256 = sys.argv[1:]
    given = json.loads(address)
    store = connect(**{**given, "cache": Path(given["cache"])})
    store.exists(key)  # imports what a first request imports
    before = peak()
    {"upload": upload, "download": download}[job](store, key, Path(path), Death(int(parts)), sha256)
    sys.stdout.write(f"{peak() - before}")
