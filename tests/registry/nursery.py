"""Children that die at a given request to S3: a process that has imported everything, and forks one for each death.

Reads a `Life` as JSON from each line of its input, and answers each with the child's exit status (minus a signal's
number). Forking takes a tenth of a second, importing anew several.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from infra import copying, sending
from infra.object_store import ObjectStore, connect
from models.adapter import adapter_for
from models.contracts import Candidate
from tasks.finetuning import store_folder
from tasks.registry.aliases import newest_entry
from tasks.registry.checks import verify_version
from tasks.registry.retention import Retention, collect
from tasks.registry.versions import read_version
from tests.releases import KIND, candidate_of, moved, released
from tests.runs_with_blobs import gc

ROOT = Path(__file__).resolve().parent.parent.parent
BEFORE, AFTER = "before-send.s3", "response-received.s3"
"""A request is about to leave; its answer has come."""
DIED, LIVED = -signal.SIGKILL, 0
"""How a child ended."""
LEAST_PART = 5 << 20
"""S3 takes no smaller ones, but for the last."""


@dataclass(frozen=True)
class Life:
    job: str
    """"release", "promotion", "gc", "gc of blobs" or "large release"."""
    store: dict[str, Any]
    candidate: str = ""
    folder: str = ""
    """Of a model that is still to be uploaded."""
    run_id: str = "run-2"
    event: str = BEFORE
    dies_at: int = 0
    """The so many-th event; 0: it lives."""
    operations: tuple[str, ...] = ("*",)
    """Only events of these count."""


class Nursery:
    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.registry.nursery"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)  # fmt: skip

    def live(self, life: Life) -> int:
        """The exit status of a child that led this life."""
        assert self.process.stdin and self.process.stdout
        print(json.dumps(asdict(life)), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


@contextmanager
def nursery() -> Iterator[Nursery]:
    found = Nursery()
    try:
        yield found
    finally:
        found.process.kill()
        found.process.wait()


def live(life: Life) -> None:
    store = connect(**{**life.store, "cache": Path(life.store["cache"])})
    if life.dies_at:
        _arrange_death(store, life)
    JOBS[life.job](store, life)


def release(store: ObjectStore, life: Life) -> None:
    """What a run does with a blessed candidate."""
    manifest = released(Candidate.model_validate_json(life.candidate), store, life.run_id)
    verify_version.fn(manifest, kind=KIND, store=store)
    moved(manifest, 1, store, life.run_id)


def large_release(store: ObjectStore, life: Life) -> None:
    """What a run does from the trained model on, whose weights take several parts: up, and inside the store."""
    sending.PART = copying.PART = copying.WHOLE = LEAST_PART
    weights = store_folder(Path(life.folder), store)
    manifest = released(candidate_of(weights), store, life.run_id)
    verify_version.fn(manifest, kind=KIND, store=store)
    if newest_entry("champion", store=store).version == 1:
        moved(manifest, 1, store, life.run_id)


def promotion(store: ObjectStore, life: Life) -> None:
    """What `upkeep promote` does with version 2, where it is not done yet."""
    manifest = verify_version.fn(read_version(2, store=store), kind=KIND, store=store)
    if newest_entry("champion", store=store).version == 1:
        moved(manifest, 1, store, life.run_id)


def garbage(store: ObjectStore, _: Life | None = None) -> None:
    """What `upkeep gc --apply` does two months from now: all but the newest version and what aliases name now is old."""
    strict = Retention(versions=1, age=timedelta(days=30), entries=1)
    collect(strict, under_way=False, now=datetime.now(UTC) + timedelta(days=60), apply=True, store=store)


def unnamed_blobs(store: ObjectStore, _: Life | None = None) -> None:
    """What `upkeep gc --apply` does of blobs a hundred days from now."""
    gc(store, day=100)


JOBS = {"release": release, "promotion": promotion, "gc": garbage, "gc of blobs": unnamed_blobs,
        "large release": large_release}  # fmt: skip


def _arrange_death(store: ObjectStore, life: Life) -> None:
    seen = itertools.count(1)  # by several threads

    def count(**_: object) -> None:
        if next(seen) == life.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    for operation in life.operations:
        store.client.meta.events.register_first(f"{life.event}.{operation}".removesuffix(".*"), count)


def main() -> None:
    adapter_for(KIND.task)  # torch and transformers, once

    for line in sys.stdin:
        child = os.fork()
        if not child:
            _lead(Life(**json.loads(line)))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def _lead(life: Life) -> None:
    """Lives and ends this process, whatever happens: a child must not go on in its parent's loop."""
    try:
        live(life)
    finally:
        if sys.exc_info()[0]:
            traceback.print_exc()
        os._exit(1 if sys.exc_info()[0] else 0)


if __name__ == "__main__":
    main()
