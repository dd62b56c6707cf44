"""Shows how far long work is, on stderr: a bar in a terminal, now and then a line in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

EVERY_SECONDS = 10
Advance = Callable[[int], None]


@contextmanager
def bar(what: str, *, total: int | None, unit: str) -> Iterator[Advance]:
    """Yields `advance(n)`. `total` is None where nobody knows how much there is."""
    if not sys.stderr.isatty():
        yield _lines(what, total, unit)
        return
    known = "{percentage:3.0f}% |{bar:24}| {n_fmt}/{total_fmt} {unit} [{elapsed}<{remaining}]"
    with tqdm(
        total=total, desc=f"  {what}", unit=unit, file=sys.stderr, leave=False, mininterval=0.2, dynamic_ncols=True,
        unit_scale=unit == "bytes",
        bar_format="{desc}: " + (known if total is not None else "{n_fmt} {unit} [{elapsed}]"),
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
            far = (
                f"{done:,} of {total:,} {unit}, {done / max(1, total):.0%}" if total is not None else f"{done:,} {unit}"
            )
            print(f"  {what}: {far} after {now - began:.0f} s", file=sys.stderr, flush=True)  # noqa: T201

    return advance
