"""A process that is killed in the midst of a transfer: `python -m tests.infra.dying JOB ADDRESS KEY PATH PARTS`."""

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
    """Comes at the so many-th call."""

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


if __name__ == "__main__":
    job, address, key, path, parts, sha256 = sys.argv[1:]
    given = json.loads(address)
    store = connect(**{**given, "cache": Path(given["cache"])})
    {"upload": upload, "download": download}[job](store, key, Path(path), Death(int(parts)), sha256)
