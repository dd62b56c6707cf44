"""The command line of every example's prepare.py."""

import argparse
from collections.abc import Callable
from pathlib import Path


def lay_out(prepare: Callable[..., None]) -> None:
    parser = argparse.ArgumentParser(description="Lays out an example's folder: real rows, a model, a spec.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, help="where downloads are kept; default: FOLDER/cache")
    options = parser.parse_args()
    prepare(options.folder, cache=options.cache or options.folder / "cache")
