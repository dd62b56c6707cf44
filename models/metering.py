"""How long a training has used its device, over all its parts: killed, stopped and resumed ones."""

import contextlib
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY_SECONDS = 1.0


class Meter:
    """A clock that goes on where the last part's stood. Its file lies beside the checkpoints and is always a little
    ahead, so that a training which is killed again and again never counts for less than it used."""

    def __init__(self, file: Path, *, at_least: float = 0.0, keeps: bool = True) -> None:
        """`keeps`: whether this process writes the file; one of several that train together does."""
        self.file, self.earlier, self.began = file, max(at_least, _read(file)), time.monotonic()
        self.keeps = keeps
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    @property
    def seconds(self) -> float:
        return self.earlier + time.monotonic() - self.began

    def __enter__(self) -> Self:
        if self.keeps:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.keeps:
            self._stop.set()
            self._thread.join()
            self._write(self.seconds)

    def _keep(self) -> None:
        self._write(self.seconds + EVERY_SECONDS)
        while not self._stop.wait(EVERY_SECONDS / 2):
            self._write(self.seconds + EVERY_SECONDS)

    def _write(self, seconds: float) -> None:
        part = self.file.with_suffix(f".{os.getpid()}.part")
        with contextlib.suppress(FileNotFoundError):  # another process has ended the same training, and cleared away
            part.write_text(f"{seconds:.3f}", encoding="utf-8")
            os.replace(part, self.file)


def _read(file: Path) -> float:
    try:
        return float(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # nothing yet, or nothing that a power cut left
        return 0.0
