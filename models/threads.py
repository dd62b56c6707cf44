"""How many CPU threads torch should use now: two on two busy cores were measured to be three to ten times slower
than one, since each waits for the other's slice of a core; on free cores two are nearly twice as fast."""

import functools
import time
from collections.abc import Callable

import torch

TRIES = 3


def choose_threads(work: Callable[[], object]) -> int:
    """Sets torch's thread count to the fastest of 1, 2, 4, … as many as torch began with (the cores, or
    OMP_NUM_THREADS) by running a small piece of `work` with each, and says which. A GPU's work is left alone."""
    most = _at_first()
    counts = [1 << i for i in range(most.bit_length()) if 1 << i < most] + [most]
    if torch.cuda.is_available() or most == 1:
        return torch.get_num_threads()
    work()  # the first call allocates
    times = dict.fromkeys(counts, float("inf"))
    for _ in range(TRIES):  # in turn, so that a burst of other work slows all alike
        for count in counts:
            torch.set_num_threads(count)
            began = time.perf_counter()
            work()
            times[count] = min(times[count], time.perf_counter() - began)
    fastest = min(counts, key=times.__getitem__)
    torch.set_num_threads(fastest)
    return fastest


@functools.cache
def _at_first() -> int:
    return torch.get_num_threads()
