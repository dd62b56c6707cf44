"""Duplicates of sealed test rows, planted among real rows: are they kept out of training, and is nothing else?

Everything goes through `build_training_set`, as in a run. A planted row leaks if it is in the training table while the
row that it repeats is sealed. Similarity is computed here a second time, for every pair and without an index.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.corpus import LABELS, SEED, Corpus, read
from benchmarks.planting import EXACT, NEAR, Rng, Way
from benchmarks.results import Bar, Findings, Options, Table, main, share
from benchmarks.scratch import scratch_store
from infra.object_store import ObjectStore
from models.contracts import Table as Stored
from models.recipe import Training
from models.rows import Split, content_digest, split_of
from tasks.dataset import LEAK_SIMILARITY, build_training_set, save_table
from tasks.metrics.leaks import MIN_WORDS, words

CORPORA = ("films", "products", "editorials", "tweets", "assistant")
TRAINING = Training()
TRIES = 40


@dataclass(frozen=True)
class Planted:
    kind: str
    text: str
    original: str

    @property
    def by_definition(self) -> bool:
        """Does it repeat its original, by the rule that the docs state?"""
        return repeats(self.text, self.original)


@dataclass(frozen=True)
class Outcome:
    corpus: str
    planted: tuple[Planted, ...]
    leaked: frozenset[str]
    """Planted texts that are in the training table."""
    rows: int
    """Training rows of the corpus itself, before the check."""
    removed: tuple[str, ...]
    """Of these, the ones that the check took out."""
    false: int
    """Of these, the ones that repeat no sealed row."""


def measure_leakage(options: Options) -> Findings:
    """`options.runs`: planted rows of each kind, over all corpora."""
    corpora = [c for c in map(read, CORPORA[:1] if options.quick else CORPORA) if c is not None]
    with scratch_store() as store:
        found = [_try(corpus, options.runs // len(corpora), store) for corpus in corpora]
    planted = [(p, p.text in o.leaked) for o in found for p in o.planted]
    similar = [(p, leaked) for p, leaked in planted if p.by_definition]
    caught, removed = sum(not leaked for _, leaked in similar), sum(len(o.removed) for o in found)
    false = sum(o.false for o in found)
    return Findings(
        question="Are (nearly) repeated rows kept from crossing between training and the sealed test?",
        tables=(_by_kind(planted), _by_corpus(found)),
        bars=(
            Bar(promise="recall of at least 99 % of the planted duplicates", met=caught >= 0.99 * len(similar),
                measured=f"{caught} of {len(similar)}, {share(caught, len(similar))}"),
            Bar(promise="false hits at most 1 % of what is removed", met=false <= 0.01 * removed,
                measured=f"{false} of {removed} removed rows repeat no sealed row"),
        ),
        notes=(
            f"A row repeats another that has the same words (case, punctuation and white space aside); from {MIN_WORDS} "
            f"words on, also one that shares {LEAK_SIMILARITY:.0%} of the words of both (Jaccard), and one that lies "
            "within it in one piece, or it within that.",
            "So one changed word is a near duplicate from nine words on; in a shorter text it is often another "
            "statement (`spell umbrella`, `spell banana`), and the row is kept. The bar counts planted pairs that are "
            "duplicates by this rule; the table shows all of them.",
            "Case, spacing and Unicode form do not change a row's content digest, which decides its side: such a pair "
            "cannot be parted. The other planted rows were drawn so that they would land in training.",
            "Tweets: the corpus holds the authors' own variants of one tweet (other case and punctuation), which is "
            "what most of the removed rows are.",
        ),
    )  # fmt: skip


def repeats(one: str, other: str) -> bool:
    """The rule, written down a second time and without an index."""
    mine, theirs = words(one), words(other)
    if not mine or not theirs:
        return False
    if mine == theirs:
        return True
    if min(len(mine), len(theirs)) < MIN_WORDS:
        return False
    first, second = set(mine), set(theirs)
    shorter, longer = sorted((mine, theirs), key=len)
    within = any(longer[i : i + len(shorter)] == shorter for i in range(len(longer) - len(shorter) + 1))
    return within or len(first & second) >= LEAK_SIMILARITY * len(first | second)


def _try(corpus: Corpus, count: int, store: ObjectStore) -> Outcome:
    rng = np.random.default_rng(SEED)
    sealed = [text for text in corpus.texts if _side(text) is Split.TEST]
    train = [text for text in corpus.texts if _side(text) is Split.TRAIN]
    planted = [
        p for kind, way in {**EXACT, **NEAR}.items() for p in _plant(kind, way, sealed, corpus.texts, count, rng)
    ]
    kept = _table(corpus.texts + [p.text for p in planted], store)
    built = build_training_set.fn(kept, None, training=TRAINING, seed=SEED, store=store)
    trained = set(pd.read_parquet(store.get_file(built.train))["text"])
    removed = tuple(text for text in train if text not in trained)
    all_sealed = sealed + [p.text for p in planted if _side(p.text) is Split.TEST]
    false = sum(not any(repeats(text, other) for other in all_sealed) for text in removed)
    return Outcome(corpus.name, tuple(planted), frozenset(p.text for p in planted if p.text in trained), len(train),
                   removed, false)  # fmt: skip


def _plant(kind: str, way: Way, sealed: list[str], others: list[str], count: int, rng: Rng) -> list[Planted]:
    """Duplicates of sealed rows that would train, or (the exact kinds) that share their content."""
    there = {content_digest(text) for text in others}
    found: dict[str, Planted] = {}
    for at in rng.permutation(len(sealed)):
        original = sealed[int(at)]
        for text in (way(original, others, rng) for _ in range(TRIES if kind in NEAR else 1)):
            fits = kind in EXACT or (_side(text) is Split.TRAIN and content_digest(text) not in there)
            if fits and text != original and words(text):
                found[content_digest(text)] = Planted(kind, text, original)
                break
        if len(found) == count:
            break
    return list(found.values())


def _side(text: str) -> Split:
    return split_of(content_digest(text), validation_share=TRAINING.validation_share, test_share=TRAINING.test_share)


def _table(texts: list[str], store: ObjectStore) -> Stored:
    rows = pd.DataFrame({"text": texts, "label": LABELS[0], "content": [content_digest(t) for t in texts]})
    return save_table(rows, "kept", store)


def _by_kind(planted: list[tuple[Planted, bool]]) -> Table:
    rows = []
    for kind in (*EXACT, *NEAR):
        of = [(p, leaked) for p, leaked in planted if p.kind == kind]
        rule = [leaked for p, leaked in of if p.by_definition]
        rest = [leaked for p, leaked in of if not p.by_definition]
        rows.append((kind, str(len(of)), _kept_out(rule), _kept_out(rest)))
    return Table(
        title="Planted duplicates by kind",
        says="How many of the planted rows were kept out of training: of those that are duplicates by the rule below, "
             "and of the others (short texts with another word).",
        columns=("kind", "planted", "duplicates by the rule: kept out", "others: kept out"), rows=tuple(rows),
    )  # fmt: skip


def _kept_out(leaked: list[bool]) -> str:
    return f"{leaked.count(False)} of {len(leaked)}" if leaked else "none planted"


def _by_corpus(found: list[Outcome]) -> Table:
    rows = [
        (o.corpus, str(o.rows), f"{len(o.removed)} ({len(o.removed) / o.rows:.1%})", str(o.false))
        for o in found
    ]  # fmt: skip
    return Table(
        title="Rows of the corpora themselves that were removed",
        says="What the check takes from real training data, where nobody planted anything, and how many of these rows "
             "repeat no sealed row.",
        columns=("corpus", "training rows", "removed", "false"), rows=tuple(rows),
    )  # fmt: skip


if __name__ == "__main__":
    main("leakage", measure_leakage, runs=200, quick=20)
