"""Shows how far long work is: on stderr a bar in a terminal, now and then a line in a log; and on Prefect's page."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from infra.progress_artifact import Far, shown_in_prefect

EVERY_SECONDS = 10
Advance = Callable[[int], None]


@contextmanager
def bar(what: str, *, total: int | None, unit: str) -> Iterator[Advance]:
    """Yields `advance(n)`. `total` is None where nobody knows how much there is; without a `unit` only the share of it is
    told. Inside a Prefect run, long work is shown on the run's page, too."""
    count = _Count(what, total, unit)
    with shown_in_prefect(count.how_far), _on_stderr(what, total, unit) as show:

        def advance(more: int) -> None:
            count.done += more
            show(more)

        yield advance
        count.finished = True


class _Count:
    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self.what, self.total, self.unit, self.done, self.finished = what, total, unit, 0, False

    def how_far(self) -> Far:
        """Of work of unknown length nobody knows the percentage before its end."""
        share = 1.0 if self.finished else self.done / max(1, self.total) if self.total is not None else 0.0
        return Far(100 * min(1.0, share), f"{self.what}: {_so_far(self.done, self.total, self.unit)}")


def _so_far(done: int, total: int | None, unit: str) -> str:
    if total is None:
        return f"{done:,} {unit}"
    return f"{done:,} of {total:,} {unit}" if unit else _share(done, total)


def _share(done: int, total: int) -> str:
    return f"{done / max(1, total):.0%}"


@contextmanager
def _on_stderr(what: str, total: int | None, unit: str) -> Iterator[Advance]:
    if not sys.stderr.isatty():
        yield _lines(what, total, unit)
        return
    so_far, of = ("{n_fmt}", "{total_fmt}") if unit == "bytes" else ("{n:,}", "{total:,}")
    counted = f"{so_far}/{of} {{unit}} " if unit else ""
    known = "{percentage:3.0f}% |{bar:24}| " + counted + "[{elapsed}<{remaining}]"
    with tqdm(
        total=total, desc=f"  {what}", unit=unit, file=sys.stderr, leave=False, mininterval=0.2, dynamic_ncols=True,
        unit_scale=unit == "bytes",
        bar_format="{desc}: " + (known if total is not None else so_far + " {unit} [{elapsed}]"),
    ) as shown:  # fmt: skip

        def advance(done: int) -> None:
            shown.update(done)

        yield advance


def _lines(what: str, total: int | None, unit: str) -> Advance:
    """A whole line every ten seconds; work that is done sooner says nothing."""
    began = told = time.monotonic()
    done = 0

    def advance(more: int) -> None:
        nonlocal done, told
        done += more
        now = time.monotonic()
        if now - told >= EVERY_SECONDS:
            told = now
            share = f", {_share(done, total)}" if total is not None and unit else ""
            line = f"  {what}: {_so_far(done, total, unit)}{share} after {now - began:.0f} s"
            print(line, file=sys.stderr, flush=True)  # noqa: T201

    return advance
