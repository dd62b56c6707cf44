"""Between ingestion and validation: labels that people gave to rows of earlier windows join the next window.

They are a source that every model has (`labels/` in its part of the store), beside the window's own size: they neither
fill a window nor wait for one to be full. Their rows go through validation and into the cursor as all rows do.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import Cursor, SourcePosition, Table, Window
from models.rows import TEACHING, raw_schema
from tasks.tables import BATCH_ROWS, TableWriter

ROLES = ("text", "label", "id", "timestamp", "chosen")


@dataclass(frozen=True)
class Delivery:
    """One file of returned labels, written by `upkeep label` and never changed."""

    uri: str
    data: bytes

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.data.decode().splitlines()]

    @property
    def measuring(self) -> int:
        return sum(row["chosen"] not in TEACHING for row in self.rows)

    @property
    def position(self) -> SourcePosition:
        return SourcePosition(uri=self.uri, head=hashlib.sha256(self.data).hexdigest(), size=len(self.data),
                              offset=len(self.data), rows=len(self.rows))  # fmt: skip


@task(name="join returned labels", cache_policy=NO_CACHE)
@once("labels")
def join_returned_labels(
    window: Window, *, extra: tuple[str, ...], at_least: int, run_id: str, store: ObjectStore
) -> Window:
    """The window with every label that no run has read behind its own rows; as it was while fewer than `at_least` of
    them measure: read in small portions they would prove nothing. `run_id` makes every run look anew."""
    delivered = _unread(window.cursor, store)
    if not delivered or sum(d.measuring for d in delivered) < at_least:
        return window
    with TemporaryDirectory(prefix="upkeep-") as folder:
        path = Path(folder) / "rows.parquet"
        with TableWriter(path, raw_schema(extra)) as table:
            for batch in pq.ParquetFile(store.get_file(window.table)).iter_batches(batch_size=BATCH_ROWS):
                for row in batch.to_pylist():
                    table.add(row)
            for row in _raw_rows(delivered, extra):
                table.add({**row, "row": table.rows})
        stored = Table.of(store.put_blob("windows", path), rows=table.rows)
    positions = (*window.cursor.positions, *(d.position for d in delivered))
    return window.model_copy(update={"table": stored, "cursor": Cursor(positions=positions), "waiting": False})


def _unread(cursor: Cursor, store: ObjectStore) -> list[Delivery]:
    """The newest first: where a label was corrected, the first row that validation meets is the right one."""
    read = {position.uri for position in cursor.positions}
    keys = [key for key in store.list_keys(store.keys.labels) if store.uri(key) not in read]
    return [Delivery(store.uri(key), store.get_bytes(key)) for key in keys]


def _raw_rows(delivered: list[Delivery], extra: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    names = (*ROLES, *extra)
    for delivery in delivered:
        for line, row in enumerate(delivery.rows, start=1):
            yield {**{name: row.get(name) for name in names}, "source": delivery.uri, "line": line}
