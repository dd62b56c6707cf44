"""Shows how far long work is on the run's page in Prefect: a progress artifact, from the fifth second on.

A thread of its own tells the server, so that a slow one does not hold up the work, and one that is gone does not fail it.
"""

import contextvars
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast
from uuid import UUID

FIRST_AFTER_SECONDS = EVERY_SECONDS = 5.0
PATIENCE_SECONDS = 5.0
"""For the last word, once the work is done."""
_unshown = contextvars.ContextVar("unshown", default=False)


@dataclass(frozen=True)
class Far:
    percent: float
    words: str


@contextmanager
def unshown() -> Iterator[None]:
    """For work that is to leave nothing behind."""
    token = _unshown.set(True)
    try:
        yield
    finally:
        _unshown.reset(token)


@contextmanager
def shown_in_prefect(how_far: Callable[[], Far]) -> Iterator[None]:
    """Asks `how_far` now and then, and once more at the end; outside a Prefect run never."""
    if _unshown.get() or not _in_a_run():
        yield
        return
    over = threading.Event()
    run = contextvars.copy_context().run  # so that the thread knows the run it belongs to
    teller = threading.Thread(target=run, args=(_tell, how_far, over), daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join(PATIENCE_SECONDS)


def _tell(how_far: Callable[[], Far], over: threading.Event) -> None:
    if over.wait(FIRST_AFTER_SECONDS):
        return
    import httpx
    from prefect.artifacts import create_progress_artifact, update_progress_artifact
    from prefect.exceptions import PrefectException

    try:
        far = how_far()
        artifact = cast(UUID, create_progress_artifact(far.percent, description=far.words))  # in a thread: no coroutine
        while True:
            last = over.wait(EVERY_SECONDS)
            far = how_far()
            update_progress_artifact(artifact, far.percent, description=far.words)
            if last:
                return
    except (httpx.HTTPError, PrefectException) as problem:
        logging.getLogger(__name__).warning("Prefect does not show how far the work is: %r; it goes on", problem)


def _in_a_run() -> bool:
    """Who has not imported Prefect is in none of its runs: commands that do without it stay as small as they were."""
    context = sys.modules.get("prefect.context")
    return context is not None and bool(context.FlowRunContext.get() or context.TaskRunContext.get())
