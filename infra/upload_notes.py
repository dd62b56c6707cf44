"""What is remembered of an upload in parts, in a small local file until the object is there."""

import json
import os
from pathlib import Path
from typing import IO, Any

from infra.files import sha256_of_bytes, try_lock
from infra.s3 import place_of


class Note:
    """The local file, locked while its upload is under way; without the lock it is another process', and only read as
    empty and never written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: IO[str] | None = path.open("a+", encoding="utf-8")
        free = try_lock(self._file) and os.fstat(self._file.fileno()).st_nlink  # 0: its owner ended as it was opened
        if not free:
            self.close()

    def read(self) -> dict[str, str]:
        if self._file is None:
            return {}
        self._file.seek(0)
        try:
            found: dict[str, str] = json.loads(self._file.read())
        except json.JSONDecodeError:  # new, or killed while it was written
            return {}
        return found

    def write(self, upload: dict[str, str]) -> None:
        if self._file is not None:
            self._file.truncate(0)
            self._file.write(json.dumps(upload))
            self._file.flush()

    def touch(self) -> None:
        if self._file is not None:
            os.utime(self._file.fileno())

    def forget(self) -> None:
        if self._file is not None:
            self.path.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def note_path(client: Any, uri: str, memory: Path) -> Path:
    """One an address and store."""
    return memory / f"{sha256_of_bytes(f'{place_of(client)} {uri}'.encode())}.json"
