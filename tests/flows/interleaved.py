"""Two commands at once, request by request: one stands still before a request, the other runs to its end, the first goes on.

Two requests of which neither writes what the other touches can change places, and nobody sees it. So the first stands still only behind
requests that cannot change places with all of the other's (partial-order reduction: Godefroid, 1996).
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from errors import UpkeepError
from infra.object_store import ObjectStore

PATIENCE = 60
WRITES = ("Put", "Delete", "Copy", "Create", "Complete", "Abort", "Upload")


@dataclass(frozen=True)
class Request:
    """What is sent to S3; `key` is a prefix where it lists."""

    operation: str
    key: str
    source: str | None
    """Of a copy."""

    @classmethod
    def of(cls, event: str, sent: Any) -> "Request":
        operation, parts = event.rpartition(".")[2], urlsplit(sent.url)
        listed = parse_qs(parts.query).get("prefix", [""])[0]
        source = sent.headers.get("x-amz-copy-source")
        source = source.decode() if isinstance(source, bytes) else source
        key = listed if operation.startswith("List") else unquote(parts.path).lstrip("/").partition("/")[2]
        return cls(operation, key, unquote(source).lstrip("/").partition("/")[2] if source else None)

    def changes_places_with(self, other: "Request") -> bool:
        mine, its = self._touched(), other._touched()
        return not any((wrote or written) and _meet(a, b) for a, wrote in mine for b, written in its)

    def _touched(self) -> list[tuple[tuple[str, bool], bool]]:
        """((key, whether it is a prefix), whether it is written)."""
        own = ((self.key, self.operation.startswith("List")), self.operation.startswith(WRITES))
        return [own, ((self.source, False), False)] if self.source else [own]


def _meet(a: tuple[str, bool], b: tuple[str, bool]) -> bool:
    (key, lists), (other, other_lists) = a, b
    return key == other or (lists and other.startswith(key)) or (other_lists and key.startswith(other))


@dataclass(eq=False)
class Command:
    """One that runs in a thread of its own, as on a machine of its own."""

    name: str
    work: Callable[[], Any]
    sent: list[Request] = field(default_factory=list)
    came_to: Any = None
    ended: bool = False


class Turns:
    """Lets one command at a time send its requests."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._turn: Command | None = None
        self._left: int | None = None
        self._commands: dict[threading.Thread, Command] = {}

    def watch(self, store: ObjectStore) -> None:
        """To be told of each store that a command opens, in the command's own thread."""
        if command := self.now():
            store.client.meta.events.register_first(
                "before-send.s3", lambda request, event_name, **_: self._wait(command, Request.of(event_name, request))
            )

    def now(self) -> Command | None:
        """The command whose thread this is."""
        return self._commands.get(threading.current_thread())

    def run(self, command: Command, *, requests: int | None = None) -> None:
        """Until it has sent so many and wants to send another, or to its end."""
        with self._changed:
            self._turn, self._left = command, requests
            if command not in self._commands.values():
                thread = threading.Thread(target=self._live, args=[command], daemon=True)
                self._commands[thread] = command
                thread.start()
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._turn is None, PATIENCE), f"{command.name} waits for ever"

    def _live(self, command: Command) -> None:
        try:
            command.came_to = command.work()
        except UpkeepError as problem:
            command.came_to = problem
        finally:
            with self._changed:
                command.ended, self._turn = True, None
                self._changed.notify_all()

    def _wait(self, command: Command, request: Request) -> None:
        with self._changed:
            while self._turn is not command or self._left == 0:
                if self._turn is command:
                    self._turn = None
                    self._changed.notify_all()
                self._changed.wait()
            self._left = None if self._left is None else self._left - 1
            command.sent.append(request)


def interleavings(
    turns: Turns, first: Callable[[], Command], second: Callable[[], Command], begin: Callable[[], None], *, every: int
) -> Iterator[tuple[Command, Command]]:
    """Both commands, once they have ended, for each request of the first before which it can make a difference to stand still; of
    so many of these, for one."""
    still, done = 0, False
    while not done:
        begin()
        one, other = first(), second()
        turns.run(one, requests=still)
        done = one.ended
        turns.run(other)
        if not done:
            turns.run(one)
        yield one, other
        for _ in range(every):
            still += 1
            while still < len(one.sent) and all(one.sent[still - 1].changes_places_with(sent) for sent in other.sent):
                still += 1
