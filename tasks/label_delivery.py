"""Between ingestion and validation: labels that people gave to rows of earlier windows join the next window.

They are a source that every model has (`labels/` in its part of the store), beside the window's own size: they neither
fill a window nor wait for one to be full. Their rows go through validation and into the cursor as all rows do.

Labels are dear: those that a run has read without a release coming of it join again with the next ones, to train and to
be held out, until a champion was made with them. Quality is tested by each of them once.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.keys import RECORD
from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import Cursor, SourcePosition, Table, Window
from models.row_schemas import raw_schema
from models.rows import Chosen, content_digest
from tasks.tables import BATCH_ROWS, TableWriter, open_table

ROLES = ("text", "label", "id", "timestamp", "chosen")


@dataclass(frozen=True)
class Delivery:
    """One file of returned labels, written by `upkeep label` and never changed."""

    uri: str
    data: bytes
    judged: bool
    """A run has read it."""
    tested: frozenset[str]
    """Content of the rows that runs have read a label of. Who corrected one may have found no such run in the history yet."""

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row | {"chosen": self._chosen(row)} for row in _lines(self.data)]

    def _chosen(self, row: dict[str, Any]) -> str:
        if row["chosen"] != Chosen.RANDOM:
            return str(row["chosen"])
        if self.judged:
            return Chosen.EARLIER.value
        return (Chosen.CORRECTED if content_digest(row["text"]) in self.tested else Chosen.RANDOM).value

    @property
    def position(self) -> SourcePosition:
        return SourcePosition(uri=self.uri, head=hashlib.sha256(self.data).hexdigest(), size=len(self.data),
                              offset=len(self.data), rows=len(self.rows))  # fmt: skip


@task(name="join returned labels", cache_policy=NO_CACHE)
@once("labels")
def join_returned_labels(
    window: Window, *, extra: tuple[str, ...], adapted: Cursor, at_least: int, run_id: str, store: ObjectStore
) -> Window:
    """The window with every label behind its own rows that no champion was made with; as it was while fewer than
    `at_least` of those that no run has read measure: in small portions they would prove nothing.

    `adapted` is what had been read when the champion was made. `run_id` makes every run look anew.
    """
    delivered = _delivered(window.cursor, adapted, store)
    unread = [d for d in delivered if not d.judged]
    if not delivered or _measuring(unread) < at_least:
        return window
    with TemporaryDirectory(prefix="upkeep-") as folder:
        path = Path(folder) / "rows.parquet"
        with TableWriter(path, raw_schema(extra)) as table:
            for batch in open_table(store.get_file(window.table)).iter_batches(batch_size=BATCH_ROWS):
                for row in batch.to_pylist():
                    table.add(row)
            for row in _raw_rows(delivered, extra):
                table.add({**row, "row": table.rows})
        stored = Table.of(store.put_blob("windows", path), rows=table.rows)
    positions = (*window.cursor.positions, *(d.position for d in unread))
    cursor = window.cursor.model_copy(update={"positions": positions})
    return window.model_copy(update={"table": stored, "cursor": cursor, "waiting": False})


def _delivered(cursor: Cursor, adapted: Cursor, store: ObjectStore) -> list[Delivery]:
    """The newest first: where a label was corrected, the first row that validation meets is the right one."""
    read, used = ({position.uri for position in found.positions} for found in (cursor, adapted))
    keys = store.list_keys(store.keys.labels, named=RECORD)
    found = dict(zip(map(store.uri, keys), store.get_each(keys), strict=True))
    tested = frozenset(content_digest(row["text"]) for uri in found if uri in read for row in _lines(found[uri]))
    return [Delivery(uri, data, uri in read, tested) for uri, data in found.items() if uri not in used]


def _lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.decode().splitlines()]


def _measuring(unread: list[Delivery]) -> int:
    """Rows by which quality can be tested; one that was corrected while it waited is still one."""
    return len({content_digest(row["text"]) for d in unread for row in d.rows if row["chosen"] == Chosen.RANDOM})


def _raw_rows(delivered: list[Delivery], extra: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    names = (*ROLES, *extra)
    for delivery in delivered:
        for line, row in enumerate(delivery.rows, start=1):
            yield {**{name: row.get(name) for name in names}, "source": delivery.uri, "line": line}
