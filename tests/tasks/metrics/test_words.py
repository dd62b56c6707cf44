import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rows import normalised
from tasks.metrics import descriptors
from tasks.metrics.words import _UNSPACED, Words, split_words

SINGLE = re.compile(f"(?=\\w)[{_UNSPACED}]|(?:(?![{_UNSPACED}])\\w)+")


def told(words: Words) -> list[list[str]]:
    """The words of each text."""
    names = words.names.to_pylist()
    return [[names[name] for name in words.name[words.text == text]] for text in range(words.texts)]


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=8))
def test_the_words_of_many_texts_are_those_of_each(texts: list[str]) -> None:
    assert told(split_words(texts).cut(list)) == [SINGLE.findall(normalised(text)) for text in texts]


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=8))
def test_words_that_were_stored_are_those_that_are_split_anew(texts: list[str]) -> None:
    words = split_words(texts)
    stored = Words.of_lists(words.lists())
    assert (stored.texts, told(stored)) == (words.texts, told(words))
    assert stored.holding().tolist() == words.holding().tolist()


def test_runs_that_are_not_spaced_are_one_word_until_they_are_cut() -> None:
    words = split_words(["Ｆilm电影很好!\n42 films", "", "电影"])
    assert told(words) == [["film", "电影很好", "42", "films"], [], ["电影"]]
    assert told(words.cut(list))[0] == ["film", "电", "影", "很", "好", "42", "films"]
    assert told(words.without_numbers())[0][2] == "00"


def test_texts_that_hold_a_word_are_counted_once_however_often_they_do() -> None:
    words = split_words(["a a b", "A", "c", ""])
    assert dict(zip(words.names.to_pylist(), words.holding().tolist(), strict=True)) == {"a": 2, "b": 1, "c": 1}
    assert split_words([]).holding().tolist() == []


def test_texts_are_split_in_portions_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["one two", "", "电影 three", "four"] * 5
    whole = told(split_words(texts))
    monkeypatch.setattr(descriptors, "CHARS_AT_ONCE", 7)
    assert told(split_words(texts)) == whole
