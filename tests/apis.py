"""An API on loopback that fails as told, for what no real server does on demand."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "planted-api-key-0123456789abcdef"


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = None
    """JSON, or bytes as they are."""
    headers: dict[str, str] = field(default_factory=dict)


def completion(text: str | None, **more: Any) -> Answer:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 12, "completion_tokens": 3}
    return Answer(body={"choices": [{"index": 0, "message": message}], "usage": usage, **more})


@dataclass
class Asked:
    method: str
    path: str
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return str(self.json["messages"][0]["content"])


Decide = Callable[[Asked], Answer]


@dataclass
class FaultyApi:
    url: str
    asked: list[Asked]
    at_once: int = 0
    """The most requests that were under way together."""


@contextmanager
def faulty_api(decide: Decide) -> Iterator[FaultyApi]:
    found = FaultyApi("", [])
    lock, under_way = threading.Lock(), [0]

    class Handler(BaseHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, body, dict(self.headers))
            with lock:
                found.asked.append(asked)
                under_way[0] += 1
                found.at_once = max(found.at_once, under_way[0])
            answer = decide(asked)
            with lock:
                under_way[0] -= 1
            data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(data)
            except OSError:  # whoever asked had no patience
                self.close_connection = True

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


Serve = Callable[[Decide], FaultyApi]
"""Starts one; the fixture `serve` stops them all."""

JUDGES_PROMPT = '{"text": "{text}", "reference": "{reference}", "a": "{a}", "b": "{b}"}'


def by_reference(asked: Asked) -> Answer:
    """A judge that knows what is right; asked by `JUDGES_PROMPT`."""
    if asked.text == "Hello.":
        return completion("Hello.")
    shown = json.loads(asked.text)
    return completion("[[A]]" if shown["a"] == shown["reference"] else "[[B]]")
