"""What the embedded server has answered for outlasts a power cut.

SeaweedFS answers as soon as the operating system has its bytes, which brings them to the disk within half a minute, and in any
order: after a power cut an alias was found to name a version whose manifest was gone. SeaweedFS itself can only be told to
force what objects hold to the disk (`local_store` does), not what it knows of them; so whoever wrote forces that.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.files import force_to_disk

WRITES = ("PutObject", "CopyObject", "CompleteMultipartUpload", "DeleteObject")
BESIDE = {"admin", "worker"}
"""Folders of the server that hold nothing of any object."""


def let_writes_last(client: Any, folder: Path) -> None:
    """From here on each write of this client is on the disk before it counts as done, and before what relies on it is
    begun. `folder`: the server's own, on this machine."""

    def force(**_: Any) -> None:
        for path in _held_in(folder):
            force_to_disk(path)

    for operation in WRITES:
        client.meta.events.register(f"after-call.s3.{operation}", force)


def _held_in(folder: Path) -> Iterator[Path]:
    """The server's files, before the folders that name them."""
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in BESIDE]
        yield from (Path(here, name) for name in files)
        yield Path(here)
