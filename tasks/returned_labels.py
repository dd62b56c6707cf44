"""Takes a filled labelling batch back: checks every row, and lays the labels where the next run finds them.

Labels go below `labels/` of the model, a file a delivery, the newest listed first; files are never changed. What was
sent out (text, id, timestamp, slices, `chosen`) comes from the batch in the store and never from the filled file.
"""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from errors import KeyTaken, StoreError
from infra.keys import RECORD, returned_number
from infra.object_store import ObjectStore
from infra.stored_records import parsed
from models.contracts import BatchProgress, Cursor, LabelCount, LabelRequest, LabelsTaken
from models.label_sets import BETWEEN
from models.rows import TEACHING, Chosen, content_digest
from tasks.label_checks import Accepted, check_filled
from tasks.label_sheets import read_batch, read_filled

ANSWERS = "answers"
"""What is counted where people write texts instead of choosing labels."""


@dataclass(frozen=True)
class Asked:
    """A row that was sent out, and in which batch."""

    row: dict[str, Any]
    run_id: str


@dataclass(frozen=True)
class Known:
    """The newest label that a row has already."""

    label: str
    chosen: str
    waits: bool
    """No run has read this label yet."""
    judged: bool
    """A run has read this or an earlier label of the row."""

    @property
    def measures_next(self) -> bool:
        return self.waits and self.chosen not in TEACHING


def take_labels(
    path: Path, *, labels: tuple[str, ...], several: bool = False, cursor: Cursor, store: ObjectStore
) -> LabelsTaken:  # fmt: skip
    """Stores what is new in a filled file. DataError that lists every problem; then nothing is stored.

    `cursor` is what runs have read. Taking a file twice changes nothing; another label for the same row wins over
    the earlier one. `several`: a row may have any number of the labels.
    """
    asked = read_requests(store)
    checked = check_filled(read_filled(path, written=not labels), asked, Accepted(labels, several), path)
    known = _known(cursor, store)
    changed = {c: label for c, label in checked.labels.items() if c not in known or known[c].label != label}
    rows = [_row(asked[c], label, known.get(c)) for c, label in changed.items()]
    uri = _stored(rows, cursor, store) if rows else None
    new = sum(content not in known for content in changed)
    taken = zip(changed, rows, strict=True)
    after = known | {c: Known(row["label"], row["chosen"], waits=True, judged=False) for c, row in taken}
    return LabelsTaken(
        uri=uri, new=new, corrected=len(changed) - new, unchanged=len(checked.labels) - len(changed),
        edited=checked.edited, by_label=_by_label(checked.labels.values(), labels, several),
        batches=_progress(checked.labels, asked, after), waiting=sum(k.measures_next for k in after.values()),
    )  # fmt: skip


def read_requests(store: ObjectStore) -> dict[str, Asked]:
    """content -> the row as it was sent out; a text that was sent out twice belongs to its newest batch."""
    found: dict[str, Asked] = {}
    for key in store.list_keys(store.keys.requests, named=RECORD):
        request = parsed(LabelRequest, store.get_bytes(key), uri=store.uri(key))
        run_id = key.removeprefix(store.keys.requests).removesuffix(".json")
        found |= {row["content"]: Asked(row, run_id) for row in read_batch(store.get_file(request.jsonl))}
    return found


def _known(cursor: Cursor, store: ObjectStore) -> dict[str, Known]:
    read = {position.uri for position in cursor.positions}
    found: dict[str, Known] = {}
    for key in store.list_keys(store.keys.labels, named=RECORD):  # the newest first
        was_read = store.uri(key) in read
        for line in store.get_bytes(key).decode().splitlines():
            row = json.loads(line)
            content = content_digest(row["text"])
            newer = found.get(content) or Known(row["label"], row["chosen"], not was_read, judged=was_read)
            found[content] = replace(newer, judged=newer.judged or was_read)
    return found


def _row(asked: Asked, label: str, known: Known | None) -> dict[str, Any]:
    """A corrected label measures as the first would have, unless a run has judged by the first: those that are
    corrected then are the hard ones, and no fair sample."""
    dropped = ("content", "predicted", "confidence")
    chosen = Chosen.CORRECTED.value if known and known.judged else asked.row["chosen"]
    return {**{k: v for k, v in asked.row.items() if k not in dropped}, "label": label, "chosen": chosen}


def _next_key(cursor: Cursor, store: ObjectStore) -> str:
    """Behind all that are there, and all that were read: somebody may have deleted them, and what comes by a name that was read
    counts as read."""
    own = store.uri(store.keys.labels)
    read = [store.key_of(position.uri) for position in cursor.positions if position.uri.startswith(own)]
    there = store.list_keys(store.keys.labels, named=RECORD)
    return store.keys.returned(1 + max(map(returned_number, [*there, *read]), default=0))


def _stored(rows: list[dict[str, Any]], cursor: Cursor, store: ObjectStore) -> str:
    key = _next_key(cursor, store)
    # Line separators other than \n would end a line for `splitlines`: JSON escapes what is not ASCII.
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    try:
        store.put_bytes(key, data, if_absent=True)
    except KeyTaken as problem:
        raise StoreError("another `upkeep label` took labels at this very moment; nothing of this file was stored. "
                         "Run it again.") from problem  # fmt: skip
    return store.uri(key)


def _by_label(given: Collection[str], labels: tuple[str, ...], several: bool) -> tuple[LabelCount, ...]:
    if not labels:
        return (LabelCount(label=ANSWERS, rows=len(given)),)
    counts = Counter(label for cell in given for label in (cell.split(BETWEEN) if several else [cell]))
    return tuple(LabelCount(label=label, rows=counts[label]) for label in labels)


def _progress(labels: dict[str, str], asked: dict[str, Asked], known: dict[str, Known]) -> tuple[BatchProgress, ...]:
    touched = {asked[content].run_id for content in labels}
    rows = Counter(a.run_id for a in asked.values())
    done = Counter(a.run_id for content, a in asked.items() if content in known)
    return tuple(BatchProgress(run_id=run, rows=rows[run], labelled=done[run]) for run in sorted(touched))
