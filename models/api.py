"""Requests to an OpenAI-compatible API: again where it pays, bounded in time and size, and never a word of the key."""

import json
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from errors import ModelError
from models.hosting import Hosted
from models.lines import Lines

FIRST_WAIT, LONGEST_BACKOFF, LONGEST_WAIT = 0.5, 30.0, 300.0
"""Seconds: before the second try, then twice as long each time; who is told to wait longer than the last is refused."""
LARGEST = 32 << 20
AGAIN = {408, 425, 429}
TOLD_CHARS = 200
_WAYS_OUT = {
    **dict.fromkeys((401, 402, 403), "Set UPKEEP_API_KEY to a key that may use this model (UPKEEP_API_KEYS for a judge, or a "
                    "version that is pinned, at another server than model.hosted's); a run keeps it nowhere"),
    **dict.fromkeys((404, 405, 410), "The address is wrong, or the model is not there (any more): look at {section}.url and "
                    "{section}.model"),
    **dict.fromkeys((301, 302, 303, 307, 308), "It points elsewhere, and a key is not carried there: write that address into "
                    "{section}.url"),
}  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """What came of a request after its last try. `problem` says why it is no answer; `body` is what came with status 200."""

    body: Mapping[str, Any] = field(default_factory=dict)
    ms: float = 0.0
    """Of the last try, without waiting for it."""
    problem: str = ""
    again: bool = False
    wait: float = 0.0


class Api:
    """One server, for several threads. Whoever is told to wait makes all wait. `section` of the spec names it."""

    def __init__(self, url: str, hosted: Hosted, key: str | None, *, section: str = "model.hosted") -> None:
        self.url, self._key, self.section = url, _carried(key, url), section
        self.timeout, self.retries = hosted.timeout, hosted.retries
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._lines = Lines(headers=headers, timeout=hosted.timeout)
        self._stopped, self._not_before = threading.Event(), 0.0
        weakref.finalize(self, self._lines.close)

    def request(self, method: str, path: str, *, only_once: bool = False, **content: Any) -> Reply:
        """Raises ModelError where every other request would be refused as well. `only_once`: what may have reached the
        server is not sent again."""
        reply = Reply(problem="stopped")
        for number in range(self.retries + 1):
            if self._stopped.wait(max(0.0, self._not_before - time.monotonic())):
                break
            reply = self._try(method, path, content)
            surely_refused = reply.wait > 0 or not only_once
            wait = max(reply.wait, min(LONGEST_BACKOFF, FIRST_WAIT * 2**number))
            if wait > LONGEST_WAIT:
                told = f"{reply.problem}, and asks to wait {wait:.0f} s, of which at most {LONGEST_WAIT:.0f} are waited"
                return replace(reply, problem=told)
            if not (reply.again and surely_refused) or number == self.retries:
                break
            if reply.wait:
                self._not_before = max(self._not_before, time.monotonic() + wait)
            elif self._stopped.wait(wait):
                break
        return reply

    def stop(self) -> None:
        """Nobody waits or asks any longer."""
        self._stopped.set()

    def failed(self, path: str, told: str, way_out: str) -> ModelError:
        return ModelError(self._unkeyed(f"{self.url}{path}: {told}. {way_out}."))

    def _try(self, method: str, path: str, content: Mapping[str, Any]) -> Reply:
        began = time.monotonic()
        try:
            with self._lines.stream(method, self.url + path, within=self.timeout, **content) as response:
                data = self._read(response)
        except _TooLong:
            return Reply(ms=_since(began), problem=f"an answer of more than {LARGEST >> 20} MiB, which was not read to its end",
                         again=True)  # fmt: skip
        except httpx.InvalidURL as problem:
            raise self.failed(path, f"is no address ({problem})", f"Mend {self.section}.url") from problem
        except httpx.HTTPError as problem:
            if isinstance(problem, httpx.TimeoutException) or _since(began) >= 1000 * self.timeout:
                return Reply(ms=_since(began), problem=f"no answer within {self.timeout:g} s", again=True)
            return Reply(ms=_since(began), problem=self._unkeyed(f"{type(problem).__name__}: {problem}"), again=True)
        return self._judged(path, response, data, _since(began))

    @staticmethod
    def _read(response: httpx.Response) -> bytes:
        data = bytearray()
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > LARGEST:
                raise _TooLong
        return bytes(data)

    def _judged(self, path: str, response: httpx.Response, data: bytes, ms: float) -> Reply:
        status = response.status_code
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            body = None
        if status < 300:
            if isinstance(body, dict):
                return Reply(body, ms)
            return Reply(ms=ms, problem=f"{status}, and what came is no JSON object", again=True)
        problem = f"{status} {response.reason_phrase}{self.told(body)}"
        if status in _WAYS_OUT:
            told = self.failed(path, problem, _WAYS_OUT[status].format(section=self.section))
            raise NotThere(str(told)) if status in {404, 410} else told
        again = status in AGAIN or status >= 500
        wait = max(FIRST_WAIT if status == 429 else 0.0, _retry_after(response)) if again else 0.0
        return Reply(ms=ms, problem=problem, again=again, wait=wait)

    def told(self, body: Any) -> str:
        """The server's own words, in brackets: they may repeat what it was sent, and be cut within it."""
        error = body.get("error", body.get("detail")) if isinstance(body, dict) else None
        words = error.get("message") if isinstance(error, dict) else error
        return f" ({self._unkeyed(words)[:TOLD_CHARS]})" if isinstance(words, str) and words else ""

    def _unkeyed(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def _carried(key: str | None, url: str) -> str | None:
    """Without the end of line that a file's content has."""
    key = key.strip() if key else None
    if key and not (key.isascii() and key.isprintable()):
        raise ModelError(f"{url}: its key (UPKEEP_API_KEY, or the one in UPKEEP_API_KEYS) holds a letter that no request can "
                         "carry, such as a line break; set it anew")  # fmt: skip
    return key or None


class NotThere(ModelError):
    """404 or 410."""


class _TooLong(Exception):
    pass


def _since(began: float) -> float:
    return 1000 * (time.monotonic() - began)


def _retry_after(response: httpx.Response) -> float:
    """Seconds, which a server gives as a number or as a date; 0 where it says nothing that can be read."""
    told = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(told))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
