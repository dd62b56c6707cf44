"""What a language model is given of a row, token by token."""

from typing import Any

import pytest

from models.adapter import Examples
from models.contracts import ModelKind
from models.generation import Generation
from models.sequences import Sequences
from models.writing import IGNORED

BEGIN, END = 1, 2
TEXTS = ModelKind(task="causal-lm", labels=(), max_tokens=6, seed=1, truth="text")
ANSWERS = TEXTS.model_copy(update={"truth": "answer", "generation": Generation(max_new_tokens=1)})


class Numbers:
    """A tokenizer to which a text is its numbers."""

    bos_token_id: int | None = BEGIN
    eos_token_id = END

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [0] * add_special_tokens + [int(word) for word in text.split()]}

    def decode(self, ids: list[int]) -> str:
        return " ".join(map(str, ids))


def sequences(kind: ModelKind, **generation: Any) -> Sequences:
    asked = kind.generation.model_copy(update=generation)
    return Sequences(Numbers(), kind.model_copy(update={"generation": asked}), 6)


@pytest.mark.parametrize(("text", "kept"), [("11 12", [11, 12]), ("11 12 13 14", [11, 12, 13, 14]),
                                            ("11 12 13 14 15", [11, 12, 13, 14])])  # fmt: skip
def test_a_text_stands_between_its_beginning_and_its_end_and_is_measured_as_it_was_cut(
    text: str, kept: list[int]
) -> None:
    row = sequences(TEXTS).of(text, None)
    assert row.ids == [BEGIN, *kept, END]
    assert row.size == 3 * len(kept) - 1


def test_what_is_to_be_said_is_measured_in_bytes_and_not_in_letters() -> None:
    two = "\u0661\u0661"  # eleven, in Arabic digits
    assert (sequences(TEXTS).of(two, None).size, sequences(ANSWERS).of("12", two).size) == (4, 4)
    assert sequences(ANSWERS).of("12", f"{two} 12 13 14").size == len("11 12 13")  # as it was cut


@pytest.mark.parametrize(("bos", "begin"), [(None, END), (0, 0)])
def test_a_tokenizer_without_a_mark_for_the_beginning_begins_by_the_one_for_the_end(
    bos: int | None, begin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Numbers, "bos_token_id", bos)
    assert sequences(TEXTS).of("11", None).ids == [begin, 11, END]


def test_a_row_without_a_label_fills_the_model_to_its_last_position() -> None:
    row = sequences(ANSWERS).of("11 12 13 14 15 16 17", None)
    assert (row.ids, row.said, row.size) == ([BEGIN, 11, 12, 13, 14, END], [END], None)


def test_texts_are_packed_end_to_end_where_that_is_asked_and_a_token_alone_is_nothing_to_learn_from() -> None:
    rows = Examples(["11 12", "13", "14 15"], [None, None, None])
    packed = sequences(TEXTS, packing=True).dataset(rows)
    assert packed["input_ids"][:] == packed["labels"][:] == [[BEGIN, 11, 12, END, BEGIN, 13], [END, BEGIN, 14, 15, END]]
    assert packed["length"][:] == [6, 5]
    rows = Examples(["11 12", "13"], [None, None])
    assert sequences(TEXTS, packing=True).dataset(rows)["length"][:] == [6]
    assert sequences(TEXTS, packing=False).dataset(rows)["length"][:] == [4, 3]


def test_of_an_answer_s_row_what_was_given_is_not_learned_and_rows_are_not_packed() -> None:
    rows = sequences(ANSWERS, packing=True).dataset(Examples(["11 12", "13"], ["14", "15"]))
    assert rows["input_ids"][:] == [[BEGIN, 11, 12, 14, END], [BEGIN, 13, 15, END]]
    assert rows["labels"][:] == [[IGNORED, IGNORED, IGNORED, 14, END], [IGNORED, IGNORED, 15, END]]
    assert rows["length"][:] == [5, 4]
