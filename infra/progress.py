"""Shows how far long work is, on stderr: a bar in a terminal, now and then a line in a log."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def bar(what: str, *, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Yields `advance(n)`."""
    quiet = not sys.stderr.isatty()
    with tqdm(
        total=total, desc=f"  {what}", unit=unit, file=sys.stderr, leave=quiet, ascii=quiet,
        mininterval=5 if quiet else 0.2, dynamic_ncols=not quiet,
        bar_format="{desc}: {percentage:3.0f}% |{bar:24}| {n_fmt}/{total_fmt} {unit} [{elapsed}<{remaining}]",
    ) as shown:  # fmt: skip

        def advance(done: int) -> None:
            shown.update(done)

        yield advance
