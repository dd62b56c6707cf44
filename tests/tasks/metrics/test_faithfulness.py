"""Faithfulness against numbers worked out by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from tasks.metrics import faithfulness as module
from tasks.metrics.faithfulness import faithfulness, split_sentences


def overlap(premises: Sequence[str], hypotheses: Sequence[str]) -> np.ndarray:
    """The share of a hypothesis' words that its premise holds."""
    pairs = [(set(p.strip(".").split()), h.strip(".").split()) for p, h in zip(premises, hypotheses, strict=True)]
    return np.array([sum(word in given for word in said) / len(said) for given, said in pairs])


def test_each_sentence_counts_by_the_sentence_of_the_document_that_supports_it_best() -> None:
    document = "a b c d. e f g h.\ni j."
    summary = "a b x y. e f g z. i j."  # halves of the first, three quarters of the second, all of the third
    assert faithfulness([document], [summary], overlap) == pytest.approx([(0.5 + 0.75 + 1.0) / 3])


def test_what_no_single_sentence_supports_is_unsupported() -> None:
    assert faithfulness(["a b. c d."], ["a c."], overlap) == pytest.approx([0.5])


def test_a_summary_that_says_nothing_is_not_faithful_nor_is_one_of_nothing() -> None:
    assert faithfulness(["a b.", " ", "a."], ["", "a.", "a."], overlap).tolist() == [0.0, 0.0, 1.0]
    assert faithfulness([], [], overlap).tolist() == []


def test_rows_that_do_not_fit_at_once_come_out_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(list("abcdefgh."), 12)) for _ in range(40)]
    whole = faithfulness(texts, texts[::-1], overlap)
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", 5)
    assert faithfulness(texts, texts[::-1], overlap).tolist() == whole.tolist()
    assert 0 < whole.mean() < 1


def test_sentences_end_at_their_marks_in_chinese_without_spaces_too() -> None:
    assert split_sentences("It costs 3.50 today. Is it?  Yes!\nNo end") == [
        "It costs 3.50 today.", "Is it?", "Yes!", "No end",
    ]  # fmt: skip
    assert split_sentences("So . . .") == ["So ."]
    assert split_sentences("今天下雨。明天呢？不知道") == ["今天下雨。", "明天呢？", "不知道"]
