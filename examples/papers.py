"""Papers of the ACL Anthology with their year, from the package aclsum (MIT): what two of the examples read."""

import json
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

from examples.fetching import fetch

WHEEL = "aclsum-0.1.2-py3-none-any.whl"
SHA256 = "c75ffc48d3eabc5f37c68ea087943780a85950087957759e89746f21111f2213"
PARTS = ("train", "val", "test")


class Paper(NamedTuple):
    id: str
    year: int
    sentences: list[str]
    """Abstract, introduction and conclusion."""
    summaries: dict[str, str]
    """Aspect → one sentence by a person."""


def read_papers(cache: Path) -> list[Paper]:
    found = []
    with zipfile.ZipFile(fetch("aclsum==0.1.2", WHEEL, SHA256, cache)) as wheel:
        for part in PARTS:
            for line in wheel.read(f"aclsum/dataset/{part}.jsonl").decode("utf-8").splitlines():
                row = json.loads(line)
                sentences = [sentence for section in row["sentences"].values() for sentence in section]
                found.append(Paper(row["id"], year_of(row["id"]), sentences, row["summary"]))
    return found


def year_of(anthology_id: str) -> int:
    """'P06-1112' is of 2006, 'W93-0101' of 1993, '2020.acl-main.43' says so."""
    if match := re.match(r"(\d{4})\.", anthology_id):
        return int(match[1])
    two = int(anthology_id[1:3])
    return 1900 + two if two > 50 else 2000 + two
