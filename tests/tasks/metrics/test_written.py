import numpy as np
import pytest

from tasks.metrics.written import copied, distinct_bigrams, lengths, novel_bigrams, repetition, word_lists


def test_words_are_those_of_any_language() -> None:
    assert word_lists(["The cat, the CAT!", "", "我喜欢 two"]) == [
        ["the", "cat", "the", "cat"],
        [],
        ["我", "喜", "欢", "two"],
    ]
    assert word_lists([]) == []
    assert lengths(["a b c", "", "猫狗"]).tolist() == [3, 0, 2]


def test_a_text_that_says_the_same_again_and_again_is_repetitive() -> None:
    loop, fresh = "one two three four " * 10, " ".join(f"w{i}" for i in range(40))
    assert repetition([loop, fresh, "short", ""]).tolist() == [pytest.approx(33 / 37), 0, 0, 0]
    assert distinct_bigrams([loop, fresh, "short"]).tolist() == [pytest.approx(4 / 39), 1, 1]


def test_an_extract_has_no_bigram_of_its_own() -> None:
    source = "the dog chased the cat"
    assert novel_bigrams([source] * 3, ["the dog", "a dog barked", ""]).tolist() == [0, 1, 0]


def test_what_was_not_translated_is_found_and_numbers_are_not_counted() -> None:
    said = ["the cat", "die Katze sat", "2024", "我喜欢猫"]
    assert np.allclose(copied(["the cat sat in 2024"] * 4, said), [1, 1 / 3, 0, 0])
