"""Many processes that all want to move one alias, again and again: `python -m tests.registry.crowd ADDRESS`.

Prints, as JSON, which generations each of them was told to have won, and what the others were told.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from errors import StoreError
from infra.object_store import connect
from tasks.registry.aliases import newest_entry
from tasks.registry.versions import read_version
from tests.releases import moved

PROMOTERS, GENERATIONS = 16, 6


def promote(number: int, address: dict[str, Any]) -> dict[str, Any]:
    """Tries until the log has its generations; each try starts from what the log said then."""
    store = connect(**{**address, "cache": Path(address["cache"])})
    manifest = read_version(number, store=store)
    won, told, tries = [], [], 0
    while (newest := newest_entry("champion", store=store)).generation <= GENERATIONS:
        tries += 1
        try:
            release = moved(manifest, newest.version, store, f"promoter-{number}-{tries}")
        except StoreError as problem:
            told.append(str(problem))
        else:
            won.append((release.entry.generation, release.entry.token))
    return {"number": number, "won": won, "told": told}


def main(address: dict[str, Any]) -> None:
    pipes = []
    for number in range(1, PROMOTERS + 1):
        reader, writer = os.pipe()
        if not os.fork():
            os.write(writer, json.dumps(promote(number, address)).encode() + b"\n")
            os._exit(0)
        os.close(writer)
        pipes.append(os.fdopen(reader))
    sys.stdout.write(json.dumps([json.loads(pipe.readline()) for pipe in pipes]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
