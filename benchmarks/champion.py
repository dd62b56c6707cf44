"""A real champion: MiniLM, fine-tuned once on one corpus by the adapter that Upkeep trains with, and its outputs.

Both are kept under benchmarks/.cache, the outputs by the digest of the texts, so that a benchmark that is run again
only measures. Training takes about 100 CPU-seconds a champion, scoring everything some minutes, once.
"""

import hashlib
import shutil
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import CACHE, LABELS, SEED, Corpus, read
from benchmarks.results import say
from errors import DataError
from examples.sentiment.prepare import copy_model
from infra.progress import bar
from models.adapter import Examples
from models.contracts import ModelKind
from models.recipe import Training
from models.text_classification import TextClassifier

KIND = ModelKind(task="text-classification", labels=LABELS, max_tokens=64, seed=SEED)
TRAINING = Training(epochs=2, patience=2)
TRAINED_ROWS = {"films": (2000, 200), "tweets": (1500, 150)}
"""Rows that train, and that choose the checkpoint, by corpus: the first ones. All others are held out."""


@dataclass(frozen=True)
class Scored:
    """A corpus with a champion's outputs: probabilities rows × labels, embeddings rows × 384, both float32."""

    corpus: Corpus
    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.corpus)

    @property
    def answers(self) -> NDArray[np.int64]:
        return self.probabilities.argmax(1)

    @property
    def right(self) -> NDArray[np.bool_]:
        return self.answers == self.corpus.labels

    def take(self, rows: NDArray[np.int64]) -> "Scored":
        corpus = self.corpus
        chosen = Corpus(corpus.name, [corpus.texts[i] for i in rows], corpus.labels[rows],
                        {name: values[rows] for name, values in corpus.columns.items()})  # fmt: skip
        return Scored(chosen, self.probabilities[rows], self.embeddings[rows])


def join(first: Scored, second: Scored) -> Scored:
    """The rows of both; columns that only one has are left out."""
    one, two = first.corpus, second.corpus
    columns = {n: np.concatenate([one.columns[n], two.columns[n]]) for n in one.columns if n in two.columns}
    corpus = Corpus(
        f"{one.name} + {two.name}", one.texts + two.texts, np.concatenate([one.labels, two.labels]), columns
    )
    return Scored(corpus, np.concatenate([first.probabilities, second.probabilities]),
                  np.concatenate([first.embeddings, second.embeddings]))  # fmt: skip


def held_out(name: str, *, home: str = "films") -> Scored | None:
    """The rows of a corpus that the champion of `home` never trained on, scored by it; None: no such corpus here."""
    corpus = read(name)
    if corpus is None:
        return None
    first = sum(TRAINED_ROWS[home]) if name == home else 0
    rows = Corpus(name, corpus.texts[first:], corpus.labels[first:], {n: v[first:] for n, v in corpus.columns.items()})
    return score(rows, home=home)


def score(corpus: Corpus, *, home: str = "films") -> Scored:
    digest = hashlib.sha256("\x00".join(corpus.texts).encode()).hexdigest()[:16]
    path = CACHE / "scores" / f"{home}-{corpus.name}-{digest}.npz"
    if not path.exists():
        with bar(f"scoring {corpus.name}", total=len(corpus), unit="rows") as advance:
            found = champion(home).predict(corpus.texts, advance=advance)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, probabilities=found.numbers, embeddings=found.embeddings)
    with np.load(path) as arrays:
        return Scored(corpus, arrays["probabilities"], arrays["embeddings"])


@cache
def champion(home: str) -> TextClassifier:
    """MiniLM fine-tuned on the first rows of a corpus."""
    folder = CACHE / "champions" / home
    if not folder.exists():
        _train(home)
    return TextClassifier.load(folder, KIND, new_head=False)


def _train(home: str) -> None:
    copy_model(CACHE / "model")
    model = TextClassifier.load(CACHE / "model", KIND, new_head=True)
    corpus = read(home)
    if corpus is None:
        raise DataError(f"no corpus {home!r} to train on; a champion can have: {sorted(TRAINED_ROWS)}")
    train, validation = TRAINED_ROWS[home]
    parts = [slice(0, train), slice(train, train + validation)]
    examples = [Examples(corpus.texts[part], [LABELS[i] for i in corpus.labels[part]]) for part in parts]
    work, half = CACHE / "work" / home, CACHE / "champions" / f"{home}.half"
    work.mkdir(parents=True, exist_ok=True)
    with bar(f"training the champion of {home}", total=1000, unit="") as advance:
        trained = model.fine_tune(*examples, training=TRAINING, seed=SEED, work=work, advance=advance)
    model.save(half)
    half.rename(half.with_name(home))
    shutil.rmtree(work)
    say(f"champion of {home}: {train} rows, {trained.cost.steps} steps, {trained.cost.cpu_seconds:.0f} CPU-s")
