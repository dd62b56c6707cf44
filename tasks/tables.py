"""Parquet files, written and read in batches, so that a table of any size needs the memory of one batch; and which of
a table's rows may measure."""

from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from infra.object_store import ObjectStore
from models.contracts import Table
from models.rows import TEACHING, Chosen

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

BATCH_ROWS = 8192
BATCH_CHARS = 32 << 20


class TableWriter:
    """A context manager: `add` rows as dicts, `rows` counts them; absent columns are null."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema, self.rows = path, schema, 0
        self._file = pq.ParquetWriter(path, schema, compression="zstd")
        self._batch: list[dict[str, Any]] = []
        self._chars = 0

    def add(self, row: dict[str, Any]) -> None:
        self._batch.append(row)
        self._chars += len(row.get("text") or "") + len(row.get("raw") or "")
        self.rows += 1
        if len(self._batch) >= BATCH_ROWS or self._chars >= BATCH_CHARS:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            self._file.write_table(pa.Table.from_pylist(self._batch, schema=self.schema))
        self._batch, self._chars = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        if kind is None:
            self._flush()
        self._file.close()


def open_table(path: Path) -> pq.ParquetFile:
    """To be read in batches. Arrow by default reads ahead until the whole file is in memory."""
    return pq.ParquetFile(path, pre_buffer=False)


def store_rows(rows: "pd.DataFrame", kind: str, store: ObjectStore, *, row_group: int | None = None) -> Table:
    """Under their content: the same rows make the same file."""
    with TemporaryDirectory(prefix="upkeep-") as folder:
        path = Path(folder) / f"{kind}.parquet"
        rows.to_parquet(path, index=False, row_group_size=row_group)
        return Table.of(store.put_blob(kind, path), rows=len(rows))


def measures(rows: "pd.DataFrame") -> "NDArray[np.bool_]":
    """Which rows of a window may say how good the champion is now: by each label once, and by no hand-picked row."""
    return ~rows["chosen"].isin({*TEACHING, Chosen.EARLIER}).to_numpy()


def compares(rows: "pd.DataFrame") -> "NDArray[np.bool_]":
    """Which rows may be held out to compare models by: all but those that were picked to teach."""
    return ~rows["chosen"].isin(TEACHING).to_numpy()
