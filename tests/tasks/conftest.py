"""Sources of one's own, read on and on as the runs of one model do."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from infra.object_store import ObjectStore
from models.contracts import Cursor, Window
from models.data_sections import Columns, Data, Windowing
from tasks.ingestion import ingest_window

TEXT = Columns(text="text", label="label")
ALL = Windowing()


class Reader:
    """Reads on and on from one folder, as the runs of one model do."""

    def __init__(self, store: ObjectStore, base: Path) -> None:
        self.store, self.base, self.cursor, self.run = store, base, Cursor(), 0

    def window(self, *sources: str, columns: Columns = TEXT, by: Windowing = ALL, **data: Any) -> Window:
        self.run += 1
        window = ingest_window.fn(
            Data(sources=sources, **data), columns, by, self.cursor,
            run_id=f"r{self.run}", base=str(self.base), store=self.store,
        )  # fmt: skip
        self.cursor = window.cursor
        return window

    def rows(self, *sources: str, **kwargs: Any) -> list[dict[str, Any]]:
        table = pq.read_table(self.store.get_file(self.window(*sources, **kwargs).table))
        return table.to_pylist()

    def texts(self, *sources: str, **kwargs: Any) -> list[str | None]:
        return [row["text"] for row in self.rows(*sources, **kwargs)]

    def write(self, name: str, data: str | bytes) -> None:
        self.base.joinpath(name).write_bytes(data if isinstance(data, bytes) else data.encode())

    def append(self, name: str, data: str) -> None:
        with self.base.joinpath(name).open("a", newline="") as file:
            file.write(data)


@pytest.fixture
def reader(store: ObjectStore) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        yield Reader(store, Path(folder))


def lines(*documents: object) -> str:
    return "".join(json.dumps(document) + "\n" for document in documents)


def put(reader: Reader, key: str, data: str) -> None:
    reader.store.client.put_object(Bucket=reader.store.bucket, Key=f"logs/{key}", Body=data.encode())
