"""The libraries' own numbers come out, whatever is done with their statistics on the way."""

import numpy as np
import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from tasks.metrics.references import bleu, chrf, length_ratio, rouge
from tasks.metrics.summed import measure

REFERENCES = ["the cat sat on the mat .", "a dog barks at night", "we like the new film very much", "rain"] * 10
TEXTS = ["the cat sat on a mat .", "dog barks in the night", "we like the film", "snow falls"] * 10
CHINESE = (["我喜欢这部电影", "今天下雨"] * 10, ["我很喜欢这部电影", "今天会下雨"] * 10)


def test_bleu_and_chrf_are_sacrebleus_with_its_signature() -> None:
    found = measure(bleu(TEXTS, REFERENCES, tokens="13a"))
    assert found.value == pytest.approx(sacrebleu.corpus_bleu(TEXTS, [REFERENCES]).score / 100)
    assert "tok:13a|smooth:exp|version:" in found.method
    assert measure(chrf(TEXTS, REFERENCES)).value == pytest.approx(
        sacrebleu.corpus_chrf(TEXTS, [REFERENCES]).score / 100
    )


def test_chinese_is_cut_into_characters_where_the_spec_says_so() -> None:
    said, meant = CHINESE
    assert measure(bleu(said, meant, tokens="zh")).value == pytest.approx(
        sacrebleu.corpus_bleu(said, [meant], tokenize="zh").score / 100
    )
    assert measure(bleu(said, meant, tokens="zh")).value > measure(bleu(said, meant, tokens="13a")).value
    assert measure(rouge(said, meant)["rouge_l"]).value > 0.8  # with rouge-score's own tokenizer it is 0


def test_rouge_is_googles() -> None:
    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"])
    expected = [theirs.score(reference, text) for reference, text in zip(REFERENCES, TEXTS, strict=True)]
    found = rouge(TEXTS, REFERENCES)
    for ours, name in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        assert measure(found[ours]).value == pytest.approx(np.mean([row[name].fmeasure for row in expected]))


def test_an_answer_that_is_empty_is_worth_nothing_and_breaks_nothing() -> None:
    said = [""] * len(REFERENCES)
    scores = [bleu(said, REFERENCES, tokens="13a"), chrf(said, REFERENCES), length_ratio(said, REFERENCES),
              *rouge(said, REFERENCES).values()]  # fmt: skip
    assert [measure(score).value for score in scores] == [0] * 6


@pytest.mark.parametrize("references", [["!"] * 12, ["rain", *["!"] * 11]])
def test_words_for_references_that_hold_none_are_counted_as_for_one_word(references: list[str]) -> None:
    found = measure(length_ratio(["two words"] * 12, references))
    assert found.value == 24
    assert found.high < 1e6


@pytest.mark.parametrize("rows", [1, 12])
def test_answers_that_are_their_references_are_worth_all_and_no_more(rows: int) -> None:
    said = ["bird red on house the mat mat ran"] * rows
    found = [measure(score) for score in (bleu(said, said, tokens="13a"), chrf(said, said))]
    assert [(score.value, score.high) for score in found] == [(1, 1)] * 2


def test_leaving_a_row_out_is_scoring_the_others() -> None:
    whole = bleu(TEXTS, REFERENCES, tokens="13a")
    expected = sacrebleu.corpus_bleu(TEXTS[1:], [REFERENCES[1:]]).score / 100
    assert whole.without_each()[0] == pytest.approx(expected)
