"""How long does a command wait for the embedded S3 server, where one command follows another? Ours beside one
that ends as SeaweedFS ends by itself, with all that it leaves behind."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

import boto3

from benchmarks.results import Bar, Findings, Options, Table, main, say
from benchmarks.scratch import scratch_folder
from infra import local_store
from infra.local_server import Endpoint

OURS, ITSELF = "Upkeep's", "SeaweedFS' own"
PAUSE, FILES, BYTES, AT_ONCE = 4.0, 24, 2**20, 16
"""Seconds between two commands, as somebody types them; what each reads."""
LONGEST = 5
"""Seconds until the server answers."""


def measure_restarts(options: Options) -> Findings:
    """`options.runs`: commands after the first, for each of the two."""
    rows, longest = [], {}
    for name in (OURS, ITSELF):
        waited = _waited(name, options.runs)
        longest[name] = max(waited)
        rows.append((name, f"{statistics.median(waited):.1f}", f"{longest[name]:.1f}",
                     f"{sum(seconds > LONGEST for seconds in waited)} of {len(waited)}"))  # fmt: skip
    return Findings(
        question="How long does a command wait for the embedded S3 server, where one command follows another?",
        tables=(Table(title=f"Seconds until the server answers, commands {PAUSE:.0f} s apart",
                      says=f"Each command reads {FILES} files of 1 MiB, {AT_ONCE} at once, and ends.",
                      columns=("end and logs", "median", "longest", f"over {LONGEST} s"), rows=tuple(rows)),),
        bars=(Bar(promise=f"no command waits for more than {LONGEST} s",
                  measured=f"{longest[OURS]:.1f} s", met=longest[OURS] <= LONGEST),),
        notes=("A command that comes while the last server is ending waits for that, too.",),
    )  # fmt: skip


def _waited(name: str, commands: int) -> list[float]:
    with scratch_folder() as folder, _as_by_itself() if name == ITSELF else nullcontext():
        _command(folder, write=True)
        waited = []
        for number in range(commands):
            time.sleep(PAUSE)
            waited.append(_command(folder, write=False))
            say(f"{name}: command {number + 1} of {commands} waited {waited[-1]:.1f} s")
        return waited


@contextmanager
def _as_by_itself() -> Iterator[None]:
    supervise = (
        "import sys, pathlib, infra.local_server as s; s.STOP_SECONDS = 60; s.supervise(pathlib.Path(sys.argv[1]))"
    )

    def supervisor(directory: Path) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", supervise, str(directory)], start_new_session=True,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip

    first = local_store.FIRST.replace("fs.log.purge -daysAgo=0\n", "")
    with patch.object(local_store, "FIRST", first), patch.object(local_store, "_supervisor", supervisor):
        yield


def _command(folder: str, *, write: bool) -> float:
    began = time.monotonic()
    with local_store.local_store(Path(folder) / "store") as endpoint:
        waited = time.monotonic() - began
        _move(endpoint, write=write)
    return waited


def _move(endpoint: Endpoint, *, write: bool) -> None:
    client = boto3.client("s3", endpoint_url=endpoint.url, region_name="us-east-1",
                          aws_access_key_id=endpoint.access_key, aws_secret_access_key=endpoint.secret_key)  # fmt: skip

    def move(number: int) -> None:
        where = {"Bucket": local_store.BUCKET, "Key": f"file-{number}"}
        if write:
            client.put_object(**where, Body=number.to_bytes(2) * (BYTES // 2))
        else:
            client.get_object(**where)["Body"].read()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(move, range(FILES)))


if __name__ == "__main__":
    main("restarts", measure_restarts, runs=30, quick=3)
