"""Lays out the generation example: `python -m examples.generation.prepare FOLDER [--cache CACHE]`, from the checkout.

Passages of computational linguistics papers up to 2012, then of papers from 2018 on; and a small GPT-2 with random
weights, whose tokenizer was made from the older passages alone.
"""

import shutil
from pathlib import Path

from examples.fetching import shuffled, write_batch
from examples.laying_out import lay_out
from examples.papers import Paper, read_papers
from examples.small_models import save_gpt2, save_tokenizer, training_texts

WORDS, TOKENS, SENTENCES = 2048, 128, 3


def prepare(folder: Path, *, cache: Path) -> None:
    """FOLDER/batches/day-*.csv, FOLDER/model and FOLDER/spec.yaml."""
    papers = read_papers(cache)
    older = shuffled([row for paper in papers if paper.year <= 2012 for row in passages(paper)])
    newer = shuffled([row for paper in papers if paper.year >= 2018 for row in passages(paper)])
    batches = {"day-0.csv": older[:-250], "day-1.csv": older[-250:], "day-2.csv": newer[:900]}
    for name, rows in batches.items():
        write_batch(folder / "batches" / name, ("id", "text", "year"), rows)
    save_tokenizer(training_texts(text for _, text, _ in batches["day-0.csv"]), folder / "model", words=WORDS)
    save_gpt2(folder / "model", words=WORDS, width=128, layers=2, tokens=TOKENS)
    print("model: a GPT-2 of 2 layers × 128 with random weights")
    shutil.copyfile(Path(__file__).parent / "spec.yaml", folder / "spec.yaml")


def passages(paper: Paper) -> list[tuple[str, str, int]]:
    """Three sentences each; a rest of fewer is left out."""
    starts = range(0, len(paper.sentences) - SENTENCES + 1, SENTENCES)
    return [(f"{paper.id}-{i}", " ".join(paper.sentences[i : i + SENTENCES]), paper.year) for i in starts]


if __name__ == "__main__":
    lay_out(prepare)
