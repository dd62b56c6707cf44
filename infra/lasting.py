"""What a SeaweedFS on this machine has answered for outlasts a power cut: the embedded server, and compose's.

SeaweedFS answers as soon as the operating system has its bytes, which brings them to the disk within half a minute, and in any
order: after a power cut an alias was found to name a version whose manifest was gone. SeaweedFS itself can only be told to
force what objects hold to the disk (`local_store` does, and infra/docker/store.sh), not what it knows of them; so whoever
wrote forces that.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from errors import SpecError, StoreError
from infra.files import force_to_disk

WRITES = ("PutObject", "CopyObject", "CompleteMultipartUpload", "DeleteObject")
NAMES = "filerldb2"
"""Where it keeps what it knows of objects."""
BESIDE = {"admin", "worker", "lost+found"}
"""Folders that hold nothing of any object: the server's own, and the one of a disk, which root alone may read."""


def let_writes_last(client: Any, folder: Path) -> None:
    """From here on each write of this client is on the disk before it counts as done, and before what relies on it is
    begun. `folder`: the server's own, on this machine; SpecError where it is none."""
    if not (folder / NAMES).is_dir():
        raise SpecError(f"{folder} is no folder of a SeaweedFS: it has no {NAMES}/. UPKEEP_S3_DATA must name the folder of this "
                        "machine in which the store keeps its files; unset, the store is trusted to keep what it answers for.")  # fmt: skip

    def force(**_: Any) -> None:
        for path in _held_in(folder):
            _force(path)

    for operation in WRITES:
        client.meta.events.register(f"after-call.s3.{operation}", force)


def _held_in(folder: Path) -> Iterator[Path]:
    """The server's files, before the folders that name them."""
    for here, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if name not in BESIDE]
        yield from (Path(here, name) for name in files)
        yield Path(here)


def _force(path: Path) -> None:
    try:
        force_to_disk(path)
    except OSError as problem:
        _refuse(problem)


def _refuse(problem: OSError) -> None:
    if not isinstance(problem, FileNotFoundError):  # that the server deleted meanwhile
        raise StoreError(f"what was written could not be forced to the disk, and may be gone after a power cut: {problem}. Whoever "
                         "writes must be able to read the files of the store (UPKEEP_S3_DATA).") from problem  # fmt: skip
