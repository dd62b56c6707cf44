import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import DataError
from tasks.metrics.vocabulary import TellingWords, out_of_vocabulary, telling_words, vocabulary
from tasks.metrics.words import split_words


def known_words(texts: list[str], *, at_least: int = 2) -> frozenset[str]:
    return vocabulary(split_words(texts), at_least=at_least)


def unknown(texts: list[str], known: frozenset[str]) -> np.ndarray:
    return out_of_vocabulary(split_words(texts), known)


def telling(then: list[str], now: list[str], *, most: int = 15) -> TellingWords:
    return telling_words(split_words(then), split_words(now), most=most)


TRAINED = ["The film was good", "the FILM was dull in 1999", "a plot, a plot", "电影很好", "电影不好"]


def test_the_vocabulary_is_what_two_rows_hold_whatever_the_case_and_the_number() -> None:
    assert known_words(TRAINED) == {"the", "film", "was", "电", "影", "好"}
    assert known_words([*TRAINED, "in 2024"]) >= {"in", "0000"}
    assert "plot" in known_words(TRAINED, at_least=1)


def test_the_share_of_unknown_words_counts_words_and_chinese_characters() -> None:
    known = known_words(TRAINED)
    texts = ["The film was dull!", "", "...", "电影好看", "iPhone电影", "FILM"]
    assert unknown(texts, known).tolist() == [0.25, 0, 0, 0.25, pytest.approx(1 / 3), 0]


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=8))
def test_shares_are_shares_of_any_text(texts: list[str]) -> None:
    known = known_words(texts, at_least=1)
    assert not unknown(texts, known).any()
    assert set(unknown(texts, frozenset())) <= {0, 1}


LETTERS = str.maketrans("0123456789", "abcdefghij")


def zipf(rows: int, rng: np.random.Generator, *, first: int = 0) -> list[str]:
    """A few frequent words and many rare ones, spelled with letters."""
    return [" ".join(str(first + word).translate(LETTERS) for word in rng.zipf(1.4, 6) % 5000) for _ in range(rows)]


def test_the_training_rows_own_share_is_lower_so_that_windows_must_be_held_against_other_rows() -> None:
    rng = np.random.default_rng(1)
    trained, held, now, other = zipf(400, rng), zipf(400, rng), zipf(400, rng), zipf(400, rng, first=40)
    shares = [unknown(texts, known_words(trained)).mean() for texts in (trained, held, now, other)]
    assert shares[0] < 0.9 * min(shares[1:])
    assert shares[1] == pytest.approx(shares[2], abs=0.04)
    assert shares[3] > shares[1] + 0.04


def reviews(rows: int, rng: np.random.Generator, words: list[str], *, joined: str = " ") -> list[str]:
    return [joined.join(rng.choice(words, 5)) for _ in range(rows)]


def test_the_words_that_moved_are_told_in_both_directions_with_their_counts() -> None:
    rng, common = np.random.default_rng(2), [f"word{i}" for i in range(30)]
    then = reviews(500, rng, [*common, "video", "tape"])
    now = reviews(200, rng, [*common, "streaming", "app"])
    found = telling(then, now)
    assert {word.word for word in found.more} == {"streaming", "app"}
    assert {word.word for word in found.fewer} == {"video", "tape"}
    streaming = next(word for word in found.more if word.word == "streaming")
    assert (streaming.reference_rows, streaming.current_rows) == (0, sum("streaming" in text for text in now))
    assert found.more[0].z > 0 > found.fewer[0].z
    mirrored = telling(now, then)
    assert [word.word for word in mirrored.fewer] == [word.word for word in found.more]


def test_chinese_is_told_apart_by_pairs_of_characters() -> None:
    rng, common = np.random.default_rng(3), ["我们", "今天", "电影", "觉得", "非常", "他们", "朋友"]
    then = reviews(300, rng, [*common, "酒店"], joined="，")
    now = reviews(300, rng, [*common, "手机"], joined="，")
    found = telling(then, now)
    assert [word.word for word in found.more] == ["手机"]
    assert [word.word for word in found.fewer] == ["酒店"]


def test_quiet_windows_tell_hardly_ever_and_one_long_row_tells_nothing() -> None:
    rng = np.random.default_rng(4)
    told = [telling(zipf(800, rng), zipf(150, rng)) for _ in range(40)]
    assert sum(bool(found.more or found.fewer) for found in told) <= 7
    then, now = zipf(300, rng), [*zipf(299, rng), "spam " * 500]
    assert not telling(then, now).more


def test_no_more_words_than_asked_for_are_told_and_an_empty_side_is_refused() -> None:
    rng = np.random.default_rng(5)
    then, now = reviews(100, rng, ["a", "b", "c"]), reviews(50, rng, ["d", "e", "f"])
    found = telling(then, now, most=2)
    assert (len(found.more), len(found.fewer)) == (2, 2)
    with pytest.raises(DataError, match="0 current"):
        telling(then, [])
