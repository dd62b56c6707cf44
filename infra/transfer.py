"""What all transfers have in common: how a file is cut, how many threads move it, and the bar that shows it."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from infra.progress import Advance, bar

PART = 16 << 20
THREADS = 8
"""One pool for all files of a call: THREADS + 2 parts at most are in memory."""
NEAR = {"127.0.0.1", "::1", "localhost"}
MOST_PARTS = 10_000
"""S3's limit for one object."""


@dataclass(frozen=True)
class Span:
    """One part of a file; S3 counts parts from 1."""

    number: int
    start: int
    length: int


def spans(size: int, *, part: int = PART) -> list[Span]:
    """A file of `size` bytes in parts, larger ones where there would be too many. An empty file has none."""
    part = max(part, -(-size // MOST_PARTS))
    return [Span(i + 1, start, min(part, size - start)) for i, start in enumerate(range(0, size, part))]


class Workers:
    """A pool that takes no more work than it can hold, and none after a failure, which `submit` and the end raise."""

    def __init__(self, threads: int = THREADS) -> None:
        self._pool, self._room = ThreadPoolExecutor(threads), threading.BoundedSemaphore(threads + 1)
        self._failure: BaseException | None = None
        self._ends = ExitStack()

    def at_end(self, tidy: Callable[[], None]) -> None:
        """To be called when no thread works any more, however it ended."""
        self._ends.callback(tidy)

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        self._room.acquire()
        if self._failure:
            self._room.release()
            raise self._failure
        future = self._pool.submit(work, *arguments)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: "Future[Any]") -> None:
        if not future.cancelled() and future.exception() and not self._failure:
            self._failure = future.exception()
        self._room.release()

    def close(self, *, cancel: bool) -> None:
        with self._ends:
            self._pool.shutdown(wait=True, cancel_futures=cancel)
        if self._failure and not cancel:
            raise self._failure


def writers(client: Any) -> int:
    """How many parts to write at once. Over a network each waits for its answer; a server on this machine shares its
    cores, and more writers than cores only wait for one another (on two cores, two took 0.7 of the time of eight)."""
    return _threads(client, a_core=1)


def readers(client: Any) -> int:
    """How many parts to read at once."""
    return _threads(client, a_core=2)


def _threads(client: Any, *, a_core: int) -> int:
    near = urlsplit(client.meta.endpoint_url).hostname in NEAR
    return min(THREADS, a_core * max(2, os.cpu_count() or 2)) if near else THREADS


@contextmanager
def working(threads: int = THREADS) -> Iterator[Workers]:
    """Ends when all work is done. After an error what has begun is still finished, and nothing else begins."""
    workers = Workers(threads)
    try:
        yield workers
    except BaseException:
        workers.close(cancel=True)
        raise
    workers.close(cancel=False)


def shown(what: str, total: int) -> AbstractContextManager[Advance]:
    """A bar over bytes that any thread may advance; nothing for what is moved at once."""
    return _counted(what, total) if total > PART else nullcontext(lambda _: None)


@contextmanager
def _counted(what: str, total: int) -> Iterator[Advance]:
    lock = threading.Lock()
    with bar(what, total=total, unit="bytes") as advance:

        def locked(done: int) -> None:
            with lock:
                advance(done)

        yield locked
