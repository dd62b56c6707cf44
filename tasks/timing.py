"""How long models take for one request, measured in turn, so that a busy machine slows all alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.contracts import Percentiles

TEXTS, WARMUP = 40, 5

Answer = Callable[[str], Any]


def time_in_turn(
    models: Mapping[str, Answer], texts: Sequence[str], *, told: Callable[[Any], float] | None = None
) -> dict[str, Percentiles]:
    """Milliseconds for one text, of each model on the same texts; `told`: by what an answer itself says of them."""
    times: dict[str, list[float]] = {name: [] for name in models}
    for number, text in enumerate((list(texts) * TEXTS)[: TEXTS + WARMUP]):
        for name, answer in models.items():
            began = time.perf_counter()
            came = answer(text)
            taken = told(came) if told else 1000 * (time.perf_counter() - began)
            if number >= WARMUP:
                times[name].append(taken)
    return {name: percentiles(spent) for name, spent in times.items()}


def percentiles(values: Sequence[float] | NDArray[np.float64]) -> Percentiles:
    """The median, and the least values within which 95 and 99 % lie: between two of them would lie too few."""
    p95, p99 = (float(v) for v in np.percentile(values, [95, 99], method="inverted_cdf"))
    return Percentiles(p50=float(np.median(values)), p95=p95, p99=p99, n=len(values))
