"""Labels that come behind their text, in the same window: a log says first what was served, and later what was right."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from models.rows import content_digest
from tasks.metrics.seen import Seen
from tasks.tables import open_table
from tasks.tally import Rejected

BATCH = 2048
COLUMNS = ["text", "label", "problem", "chosen"]


def late_labels(table: Path, label_of: Callable[[str | None], str | None]) -> dict[str, str]:
    """content -> label, of texts whose first row has none and a later one has. Labels that were asked for have rows of their
    own (`tasks/returned_labels.py`)."""
    if not _has_both(table):
        return {}
    bare, late = Seen(), dict[str, str]()
    for row in _rows(table, COLUMNS):
        if row["problem"] is not None or row["text"] is None or row["chosen"] is not None:
            continue
        content, label = content_digest(row["text"]), _accepted(row["label"], label_of)
        if label is not None and content in bare:
            late.setdefault(content, label)
        elif label is None and content not in bare:
            bare[content] = ("", None)
    return late


def _has_both(table: Path) -> bool:
    """Most windows are labelled as a whole, or not at all: they are not read twice."""
    found = set[bool]()
    for row in _rows(table, ["label"]):
        found.add(bool((row["label"] or "").strip()))
        if len(found) == 2:
            return True
    return False


def _rows(table: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in open_table(table).iter_batches(batch_size=BATCH, columns=columns):
        yield from batch.to_pylist()


def _accepted(cell: str | None, label_of: Callable[[str | None], str | None]) -> str | None:
    try:
        return label_of(cell)
    except Rejected:
        return None
