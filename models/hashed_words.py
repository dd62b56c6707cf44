"""Embeddings of texts where there is no model to ask: hashed words, projected on fixed random directions.

They see which words come in, and nothing of what these mean: two ways to say the same are far apart. That is enough for
a drift of topics, languages or templates, and blind to finer ones; a spec may name the API's own embedding model.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUCKETS, WIDTH, SEED = 4096, 64, 0
_WORDS = r"(?u)[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+"
"""Chinese, Japanese and Korean, which do not space their words, character by character."""


def hashed_words(texts: Sequence[str]) -> "NDArray[np.float32]":
    """texts × `WIDTH`, float32, the same for the same text on any machine and in any version. Distances between texts'
    counts of words, each of length 1, are kept but for chance (Johnson and Lindenstrauss, 1984)."""
    from sklearn.feature_extraction.text import HashingVectorizer

    if not texts:
        return np.zeros((0, WIDTH), np.float32)
    counted = HashingVectorizer(n_features=BUCKETS, token_pattern=_WORDS, norm="l2").transform(texts)
    found: NDArray[np.float32] = (counted @ _directions()).astype(np.float32)
    return found


@cache
def _directions() -> "NDArray[np.float64]":
    return np.random.default_rng(SEED).normal(size=(BUCKETS, WIDTH)) / np.sqrt(WIDTH)
