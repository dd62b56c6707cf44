"""Output that nobody reads any more: the worker that started this process is dead, and the work goes on without it.

Prefect's worker reads what a flow prints through pipes. After kill -9 of the worker the next line raises
BrokenPipeError, and Rich, which prints Prefect's log, makes SystemExit of it: hours of training would end at a line.
"""

import os
import select
import stat
import threading
from functools import cache

STDOUT, STDERR = 1, 2


@cache
def outlive_readers() -> None:
    """Once a process: what is written to stdout or stderr is dropped from the moment in which its reader is gone."""
    for stream in (STDOUT, STDERR):
        if _has_a_reader(stream):
            threading.Thread(target=_drop_when_unread, args=(stream,), daemon=True).start()


def _has_a_reader(stream: int) -> bool:
    try:
        kind = os.fstat(stream).st_mode
    except OSError:  # it is closed
        return False
    return stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)


def _drop_when_unread(stream: int) -> None:
    """Sleeps until the kernel tells that the other end is closed, which poll(2) does without being asked to."""
    watch = select.poll()
    watch.register(stream, 0)
    watch.poll()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream)
    os.close(nowhere)
