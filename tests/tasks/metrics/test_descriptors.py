import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.metrics import descriptors
from tasks.metrics.descriptors import describe

WORD = re.compile(r"\w+")


def by_character(text: str) -> dict[str, float]:
    """The definitions, one character after the other."""
    words = WORD.findall(text)
    return {
        "characters": len(text),
        "words": len(words),
        "non-letter share": sum(not c.isalpha() and not c.isspace() for c in text) / max(1, len(text)),
        "upper-case share": sum(map(str.isupper, text)) / max(1, len(text)),
        "mean word length": sum(map(len, words)) / max(1, len(words)),
    }


@given(st.lists(st.text(max_size=30), max_size=8))
def test_every_descriptor_is_what_its_definition_says(texts: list[str]) -> None:
    found = describe(texts)
    for row, text in enumerate(texts):
        assert {name: values[row] for name, values in found.items()} == pytest.approx(by_character(text)), text


def test_words_of_neighbouring_texts_do_not_run_together(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["Ab", "", "c_d 1", "电影很好 😀", "ÉÀ"] * 3
    whole = describe(texts)
    assert whole["words"].tolist() == [1, 0, 2, 1, 1] * 3
    monkeypatch.setattr(descriptors, "CHARS_AT_ONCE", 7)
    parts = describe(texts)
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)


def test_no_texts_have_no_values() -> None:
    assert {name: values.shape for name, values in describe([]).items()} == dict.fromkeys(by_character(""), (0,))
