"""Connections to one server that are cut at a request's deadline: httpx bounds the time between two bytes, and a server that
drips them is within it for ever."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue
from typing import Any

import httpx


class Lines:
    """As many as are asked for at once; who asks again takes up one that is open."""

    def __init__(self, **options: Any) -> None:
        """`options`: of the httpx client that each is."""
        self._options = {"verify": httpx.create_ssl_context(), **options}
        self._made: list[_Line] = []
        self._free: LifoQueue[_Line] = LifoQueue()

    @contextmanager
    def stream(self, method: str, url: str, *, within: float, **content: Any) -> Iterator[httpx.Response]:
        """The answer, as its head has come. Raises an httpx.HTTPError, then or as the body is read, where all has not come
        `within` so many seconds."""
        line = self._take()
        cut = threading.Timer(within, line.cut)
        cut.daemon = True
        cut.start()
        try:
            with line.client.stream(method, url, extensions={"trace": line.note}, **content) as response:
                yield response
        finally:
            cut.cancel()
            self._free.put(line)

    def close(self) -> None:
        for line in self._made:
            line.client.close()

    def _take(self) -> "_Line":
        try:
            line = self._free.get_nowait()
        except Empty:
            line = _Line(httpx.Client(**self._options))
            self._made.append(line)
        line.is_over = False
        return line


class _Line:
    def __init__(self, client: httpx.Client) -> None:
        self.client, self.is_over = client, False
        self._socket: socket.socket | None = None

    def note(self, event: str, info: dict[str, Any]) -> None:
        """httpcore tells of what it does; a connection, or what TLS makes of it, is kept in mind."""
        asked = getattr(info.get("return_value"), "get_extra_info", None)
        if asked:
            self._socket = asked("socket")
            if self.is_over:
                self.cut()

    def cut(self) -> None:
        """Wakes who waits for a byte, in another thread."""
        self.is_over = True
        if self._socket is not None:
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
