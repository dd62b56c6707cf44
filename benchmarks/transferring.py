"""One measurement of `benchmarks.transfer`, in a process that imports nothing but what it measures."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.ingesting import memory
from benchmarks.servers import HELD

UPKEEP, BOTO3, AWS = "Upkeep", "boto3's defaults", "aws s3 cp"
PUBLISH, PULL, CHANGED, SAME = "publish", "pull", "publish with another config", "publish the same again"
RELEASE = "and release: a copy in the store"


@dataclass(frozen=True)
class Moved:
    """Seconds, bytes that left this process in bodies, and mebibytes that the work added to its peak."""

    wall: float
    cpu: float
    sent: int
    memory: float


class Task:
    """What is to be done, and where: a server's address, a prefix of this round, and a local folder."""

    def __init__(self, address: dict[str, Any], prefix: str, folder: Path, *, by_upkeep: bool) -> None:
        from infra.lasting import let_writes_last
        from infra.object_store import connect

        self.folder, self.prefix = folder, prefix
        held = address.pop(HELD, None)
        self.store = connect(**{**address, "prefix": prefix, "cache": Path(address["cache"], prefix)})
        if held and by_upkeep:
            let_writes_last(self.store.client, Path(held))
        self.sent = 0
        self.store.client.meta.events.register("before-send.s3", self._count)

    def _count(self, request: Any, **_: Any) -> None:
        self.sent += int(request.headers.get("Content-Length") or 0)


def measure(job: Callable[[], object], task: Task) -> Moved:
    before, sent, began, cpu = memory("VmHWM"), task.sent, time.perf_counter(), time.process_time()
    job()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Moved(wall=wall, cpu=cpu, sent=task.sent - sent, memory=memory("VmHWM") - before)


def publish_with_upkeep(task: Task) -> dict[str, Moved]:
    """A candidate; that as a version, with files of its own; then its folder again; then with another config, as a
    candidate that follows on it."""
    from infra.copying import Duplicate
    from tasks.finetuning import store_folder

    first = measure(lambda: store_folder(task.folder, task.store), task)
    parent, uri, version = store_folder(task.folder, task.store), task.store.uri, task.store.keys.version(1)
    copies = [Duplicate(uri(parent.prefix + f.path), uri(version + f.path), f.bytes) for f in parent.files]
    copied = measure(lambda: task.store.copy_files(copies), task)
    same = measure(lambda: store_folder(task.folder, task.store, parent=parent), task)
    config = task.folder / "config.json"
    text = config.read_text()
    config.write_text(json.dumps({"round": task.prefix}))
    try:
        changed = measure(lambda: store_folder(task.folder, task.store, parent=parent), task)
    finally:
        config.write_text(text)
    return {PUBLISH: first, RELEASE: copied, SAME: same, CHANGED: changed}


def pull_with_upkeep(task: Task) -> dict[str, Moved]:
    from infra.files import folder_digest, sha256_of
    from models.contracts import FileEntry

    source, target = task.folder, task.folder.parent / "pulled"
    files = [FileEntry(path=p.name, sha256=sha256_of(p), bytes=p.stat().st_size) for p in sorted(source.iterdir())]
    prefix = task.store.keys.candidate(folder_digest(files))
    return {PULL: measure(lambda: task.store.download_folder(prefix, files, target), task)}


def publish_with_boto3(task: Task) -> dict[str, Moved]:
    client, bucket, prefix = task.store.client, task.store.bucket, task.store.prefix + "release/"

    def upload() -> None:
        for path in sorted(task.folder.iterdir()):
            client.upload_file(str(path), bucket, prefix + path.name)

    return {PUBLISH: measure(upload, task)}


def pull_with_boto3(task: Task) -> dict[str, Moved]:
    client, bucket, prefix = task.store.client, task.store.bucket, task.store.prefix + "release/"
    target = task.folder.parent / "pulled"
    target.mkdir()

    def download() -> None:
        for path in sorted(task.folder.iterdir()):
            client.download_file(bucket, prefix + path.name, str(target / path.name))

    return {PULL: measure(download, task)}


JOBS = {(UPKEEP, PUBLISH): publish_with_upkeep, (UPKEEP, PULL): pull_with_upkeep,
        (BOTO3, PUBLISH): publish_with_boto3, (BOTO3, PULL): pull_with_boto3}  # fmt: skip


if __name__ == "__main__":
    way, what, address, prefix, folder = sys.argv[1:]
    found = JOBS[way, what](Task(json.loads(address), prefix, Path(folder), by_upkeep=way == UPKEEP))
    sys.stdout.write(json.dumps({name: asdict(moved) for name, moved in found.items()}) + "\n")
