"""A published package file, fetched by the package client with its hash pinned; nothing of it is kept in the repository."""

import csv
import hashlib
import importlib.util
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

SEED = 13
Row = TypeVar("Row")


def fetch(requirement: str, file: str, sha256: str, cache: Path) -> Path:
    """`file` (a wheel or a source distribution) of a pinned package such as "aclsum==0.1.2", from the cache or by pip."""
    target = cache / file
    if not target.exists():
        if importlib.util.find_spec("pip") is None:  # as where `uv venv` made the environment
            sys.exit(f"{requirement} is fetched by pip, which is not in {sys.prefix}: run `uv pip install pip`, or "
                     "`python -m ensurepip`, and then this again")  # fmt: skip
        cache.mkdir(parents=True, exist_ok=True)
        pinned = cache / f"{requirement.split('=')[0]}.txt"
        pinned.write_text(f"{requirement} --hash=sha256:{sha256}\n")
        form = ["--only-binary", ":all:"] if file.endswith(".whl") else ["--no-binary", ":all:", "--no-build-isolation"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *form, "--require-hashes",
                   "--dest", str(cache), "--requirement", str(pinned)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{requirement} could not be fetched by `{' '.join(command[1:7])} …`:\n{done.stderr}"
                     "Is a package index reachable? A proxy or mirror is set as for any pip install.")  # fmt: skip
    require_published(target, sha256)
    return target


def require_published(path: Path, sha256: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        sys.exit(f"{path} has SHA-256 {found}, expected {sha256}: it is not the published file. Delete it and retry.")


def shuffled(rows: Sequence[Row]) -> list[Row]:
    return random.Random(SEED).sample(list(rows), len(rows))


def write_batch(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    print(f"{path.name}: {len(rows):,} rows")
