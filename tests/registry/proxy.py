"""A proxy between a client and a real server (S3, Prefect), which plants faults: one fault a request, as a plan says."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>later</Message></Error>"
EXPIRED = (
    b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
)
BROKEN = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>broken</Message></Error>"


@dataclass(frozen=True)
class Request:
    """What a plan decides by. `number`: how many requests came before, this one included."""

    number: int
    method: str
    path: str


Fault = str
"""What `_Handler` plants, or "" for nothing."""
Plan = Callable[[Request], Fault]


def healthy(_: Request) -> Fault:
    return ""


class Proxy:
    def __init__(self, upstream: str) -> None:
        self.upstream, self.plan, self.seen, self.faults = urlsplit(upstream).netloc, healthy, 0, 0
        self.counting = threading.Lock()

    def fault(self, method: str, path: str) -> Fault:
        with self.counting:
            self.seen += 1
            found = self.plan(Request(self.seen, method, path))
            self.faults += bool(found)
            return found


@contextmanager
def proxy(upstream: str) -> Iterator[tuple[Proxy, str]]:
    """The proxy and its address."""
    state = Proxy(upstream)
    handler = type("Handler", (_Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield state, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Proxy

    def handle_any(self) -> None:
        body, fault = self._body(), self.state.fault(self.command, self.path)
        if fault in {"500", "503"}:
            return self._answer(int(fault), [], BROKEN if fault == "500" else SLOW_DOWN)
        if fault == "expired":
            return self._answer(400, [], EXPIRED)  # as AWS does
        if fault == "cut before":
            return self._hang_up()
        status, headers, data = self._forward(body)
        if fault == "answer lost":
            return self._hang_up()
        if fault == "slow":
            time.sleep(1.5)
        self._answer(status, headers, data, cut=fault == "body cut", shortened=fault == "body shortened")

    do_GET = do_PUT = do_HEAD = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = http.client.HTTPConnection(self.state.upstream, timeout=30)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in {"transfer-encoding", "expect"}}
        upstream.request(self.command, self.path, body=body, headers={**headers, "Content-Length": str(len(body))})
        answer = upstream.getresponse()
        found = answer.status, answer.getheaders(), answer.read()
        upstream.close()
        return found

    def _answer(
        self, status: int, headers: list[tuple[str, str]], data: bytes, *, cut: bool = False, shortened: bool = False
    ) -> None:
        sent = data[: len(data) // 2] if cut or shortened else data
        length = len(sent) if shortened else len(data)
        given = dict((name.lower(), value) for name, value in headers)
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", given.get("content-length", "0") if self.command == "HEAD" else str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(sent)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test says what it saw."""
