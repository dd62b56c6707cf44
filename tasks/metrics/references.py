"""What was written against what was to be written: ROUGE, BLEU and chrF, by the libraries that the field cites.

rouge-score is Google's own; it is given Upkeep's words, since its own tokenizer sees none in Chinese. BLEU and chrF are
sacreBLEU's (Post, WMT 2018), of the whole set of rows and not a mean of rows, and their signatures go with the numbers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from errors import MissingExtra
from tasks.metrics.language import mean, ratio
from tasks.metrics.summed import Numbers, Summed
from tasks.metrics.written import lengths, word_lists

_ROUGE = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}


def rouge(texts: Sequence[str], references: Sequence[str]) -> dict[str, Summed]:
    """ROUGE-1, -2 and -L: each row's F1, and their mean (Lin, 2004)."""
    scorer = _rouge_scorer()
    found = [scorer.score(reference, text) for reference, text in zip(references, texts, strict=True)]
    return {
        ours: mean(
            ours, np.array([row[theirs].fmeasure for row in found]), f"mean of {theirs} F1 by rouge-score, jackknife"
        )
        for ours, theirs in _ROUGE.items()
    }


def bleu(texts: Sequence[str], references: Sequence[str], *, tokens: str) -> Summed:
    from_ = _sacrebleu().BLEU(tokenize=tokens)
    return _corpus("bleu", from_, texts, references)


def chrf(texts: Sequence[str], references: Sequence[str]) -> Summed:
    return _corpus("chrf", _sacrebleu().CHRF(), texts, references)


def length_ratio(texts: Sequence[str], references: Sequence[str]) -> Summed:
    """Words written for each word that was to be written, over all rows; where none was, as if one had been."""
    return Summed("length_ratio", np.stack([lengths(texts), lengths(references)], 1), ratio, "words / words, jackknife")


def _corpus(name: str, metric: Any, texts: Sequence[str], references: Sequence[str]) -> Summed:
    """Each row's statistics, of which the library makes its score once they are summed."""
    rows = np.array(metric._extract_corpus_statistics(list(texts), [list(references)]), float).reshape(len(texts), -1)

    def score(sums: Numbers) -> Numbers:
        found = [metric._compute_score_from_stats(row.astype(int).tolist()).score / 100 for row in sums]
        return np.minimum(found, 1.0)  # it rounds: a perfect score is 100.00000000000004

    metric.num_refs = 1
    return Summed(name, rows, score, f"sacreBLEU {metric.get_signature()}, jackknife")


class _OurWords:
    """rouge-score asks its tokenizer for a text's words."""

    def tokenize(self, text: str) -> list[str]:
        return word_lists([text])[0] if text else []


def _rouge_scorer() -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as problem:
        raise MissingExtra("ROUGE needs rouge-score: pip install 'llm-upkeep[generation]'") from problem
    return RougeScorer(list(_ROUGE.values()), tokenizer=_OurWords())


def _sacrebleu() -> Any:
    try:
        from sacrebleu import metrics
    except ImportError as problem:
        raise MissingExtra("BLEU and chrF need sacreBLEU: pip install 'llm-upkeep[generation]'") from problem
    return metrics
