"""The pool that moves parts: how much it takes on, and what it does once something failed."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from infra import transfer
from infra.progress import Advance
from infra.s3 import open_client
from infra.transfer import PART, THREADS, readers, shown, working, writers


def fail() -> None:
    raise ZeroDivisionError


def test_after_a_failure_nothing_else_begins_and_who_asks_and_who_waits_are_told() -> None:
    begun: list[int] = []
    with pytest.raises(ZeroDivisionError), working(1) as workers:
        workers.at_end(lambda: begun.append(0))
        with pytest.raises(ZeroDivisionError):
            workers.submit(fail).result()
        with pytest.raises(ZeroDivisionError):
            workers.submit(begun.append, 1)
    assert begun == [0]


def test_of_several_failures_the_first_is_told() -> None:
    go_on = threading.Event()

    def fail_too() -> None:
        go_on.wait(10)
        raise KeyError

    with pytest.raises(ZeroDivisionError), working(2) as workers:
        workers.submit(fail_too)
        workers.submit(fail).exception()
        go_on.set()


def test_who_interrupts_is_told_that_and_not_what_failed_before() -> None:
    with pytest.raises(KeyboardInterrupt), working(1) as workers:
        workers.submit(fail).exception()
        raise KeyboardInterrupt


def test_what_waits_for_a_thread_when_an_error_comes_is_not_begun_and_what_has_begun_is_finished_before_the_end() -> (
    None
):
    done: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(10)
        done.append("begun")

    with pytest.raises(KeyboardInterrupt), working(1) as workers:
        workers.at_end(lambda: done.append("tidied"))
        workers.submit(work)
        workers.submit(done.append, "waited")
        begun.wait(10)
        threading.Timer(0.1, go_on.set).start()
        raise KeyboardInterrupt
    assert done == ["begun", "tidied"]


def test_no_more_parts_are_read_than_the_threads_and_one_more_can_take() -> None:
    go_on, taken = threading.Event(), SimpleQueue[int]()

    def read_parts() -> None:
        with working(2) as workers:
            for number in range(5):
                workers.submit(go_on.wait, 10)
                taken.put(number)

    reader = threading.Thread(target=read_parts)
    reader.start()
    assert [taken.get(timeout=10) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(Empty):
        taken.get(timeout=0.1)
    go_on.set()
    reader.join(10)
    assert taken.qsize() == 2


@pytest.mark.parametrize(("cores", "there"), [(3, (3, 6)), (1, (2, 4)), (None, (2, 4))])
def test_a_server_on_this_machine_gets_no_more_than_its_cores_can_do(
    cores: int | None, there: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    near, far = (
        open_client(endpoint_url=f"http://{host}:9000", region="us-east-1", access_key="a", secret_key="s")
        for host in ("localhost", "store")
    )
    assert [(writers(client), readers(client)) for client in (near, far)] == [there, (THREADS, THREADS)]


def test_a_bar_shows_what_takes_more_than_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    @contextmanager
    def bar(what: str, **_: Any) -> Iterator[Advance]:
        yield counted.append

    monkeypatch.setattr(transfer, "bar", bar)
    for total in (PART, PART + 1):
        with shown("sending", total) as advance:
            advance(total)
    assert counted == [PART + 1]
