"""Perplexity and bits per byte, from the losses that a language model was measured to have."""

import math

import numpy as np
from numpy.typing import NDArray

from tasks.metrics.summed import Numbers, Summed

_MOST = 300
"""Nats a token, of which e is raised to: the square of more is no number any longer."""


def perplexity(losses: NDArray[np.floating], tokens: NDArray[np.floating]) -> Summed:
    """e to the mean negative log-likelihood (nats) of a token, over all tokens of all rows: of one tokenizer only."""
    return Summed(
        "perplexity", np.stack([losses, tokens], 1).astype(float), _perplexity, "e^(loss / tokens), jackknife"
    )


def bits_per_byte(losses: NDArray[np.floating], sizes: NDArray[np.floating]) -> Summed:
    """Negative log-likelihood in bits for each UTF-8 byte: comparable whatever the tokenizer."""
    return Summed(
        "bits_per_byte", np.stack([losses, sizes], 1).astype(float), _bits, "loss / (bytes · ln 2), jackknife"
    )


def mean(name: str, values: NDArray[np.floating], method: str = "mean, jackknife") -> Summed:
    return Summed(name, np.stack([values, np.ones(len(values))], 1).astype(float), ratio, method)


def ratio(sums: Numbers) -> Numbers:
    """The first statistic for each of the second, a count; where that is 0, as for one."""
    return sums[:, 0] / np.maximum(sums[:, 1], 1)


def _perplexity(sums: Numbers) -> Numbers:
    return np.exp(np.minimum(ratio(sums), _MOST))


def _bits(sums: Numbers) -> Numbers:
    return ratio(sums) / math.log(2)
