import random

import pytest

from tasks.metrics.leaks import SealedTexts, words

SEALED = (
    "The plot was thin, but the actors carried it to the end",
    "Great!",
    "Made my flight YAY!! :-)",
    "这部电影真的很好看，演员也很棒",
)
THRESHOLD = 0.8


@pytest.mark.parametrize(
    "text",
    [
        "the PLOT was thin   but the actors carried it... to the end!",
        "The plot was thin, but the actors carried it to the finish",
        "The plot was thin, but actors carried it to the end",
        "I saw it twice. The plot was thin, but the actors carried it to the end. We left before the credits rolled.",
        "but the actors carried it",
        "great",
        "made my flight yay",
        "这部电影真的很好看, 演员也很捧",
    ],
)  # fmt: skip
def test_what_says_nearly_the_same_is_found(text: str) -> None:
    assert SealedTexts(SEALED, threshold=THRESHOLD).repeated_by(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "The script was thin, but two actors carried it past the end",
        "Great film",
        "made my train yay",
        "carried it to the",
        "这本书一点也不好看",
        ":-)",
        "",
    ],
)
def test_what_says_something_else_is_kept(text: str) -> None:
    assert SealedTexts(SEALED, threshold=THRESHOLD).repeated_by(text) is None


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 1.0])
def test_no_pair_at_the_threshold_is_missed_and_none_below_it_found(threshold: float) -> None:
    rng = random.Random(3)
    texts = [" ".join(rng.choices("abcdefghijkl", k=rng.randint(5, 12))) for _ in range(400)]
    sealed, others = texts[:200], texts[200:]
    index = SealedTexts(sealed, threshold=threshold)
    found = [index.repeated_by(text) is not None for text in others]
    assert found == [any(_alike(one, other, threshold) for other in sealed) for one in others]
    assert any(found)
    assert threshold < 0.7 or not all(found)


def test_the_empty_index_finds_nothing() -> None:
    assert SealedTexts([], threshold=THRESHOLD).repeated_by("a text of some five words") is None


def _alike(one: str, other: str, threshold: float) -> bool:
    """The definition, without an index."""
    mine, theirs = words(one), words(other)
    first, second = set(mine), set(theirs)
    return (
        len(first & second) >= threshold * len(first | second)
        or f" {one} " in f" {other} "
        or f" {other} " in f" {one} "
    )
