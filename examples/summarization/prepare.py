"""Lays out the summarization example: `python -m examples.summarization.prepare FOLDER [--cache CACHE]`, from the checkout.

One-sentence summaries by people: first of papers up to 2016 and of what they are up against and how they go about it;
then of papers since, and of what came of it. The model is a small T5 with random weights, whose tokenizer was made from
the older papers alone.
"""

import shutil
from pathlib import Path

from examples.fetching import shuffled, write_batch
from examples.laying_out import lay_out
from examples.papers import Paper, read_papers
from examples.small_models import save_t5, save_tokenizer, training_texts

WORDS, SENTENCES = 2048, 4
COLUMNS = ("id", "text", "summary", "year")


def prepare(folder: Path, *, cache: Path) -> None:
    """FOLDER/batches/day-*.csv, FOLDER/model and FOLDER/spec.yaml."""
    papers = read_papers(cache)
    older = shuffled([row for p in papers if p.year <= 2016 for row in asked(p, ("challenge", "approach"))])
    newer = shuffled([row for p in papers if p.year > 2016 for row in asked(p, ("outcome", "approach", "challenge"))])
    batches = {"day-0.csv": older[:-60], "day-1.csv": older[-60:], "day-2.csv": newer}
    for name, rows in batches.items():
        write_batch(folder / "batches" / name, COLUMNS, rows)
    train = set(training_texts(text for _, text, _, _ in batches["day-0.csv"]))
    texts = [part for _, text, summary, _ in batches["day-0.csv"] if text in train for part in (text, summary)]
    save_tokenizer(texts, folder / "model", words=WORDS)
    save_t5(folder / "model", words=WORDS, width=128, layers=2)
    print("model: a T5 of 2 + 2 layers × 128 with random weights")
    shutil.copyfile(Path(__file__).parent / "spec.yaml", folder / "spec.yaml")


def asked(paper: Paper, aspects: tuple[str, ...]) -> list[tuple[str, str, str, int]]:
    """Where a paper tells each aspect most often: its first sentences, the next ones, its last ones; what is asked for
    stands before them. No two rows have the same sentences."""
    places = {
        "challenge": slice(SENTENCES),
        "approach": slice(SENTENCES, 2 * SENTENCES),
        "outcome": slice(-SENTENCES, None),
    }
    found = []
    for aspect in aspects:
        sentences = paper.sentences[places[aspect]]
        found.append((f"{paper.id}-{aspect}", f"{aspect}: {' '.join(sentences)}", paper.summaries[aspect], paper.year))
    return found


if __name__ == "__main__":
    lay_out(prepare)
