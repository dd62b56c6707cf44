"""Tables of any size."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.tables import open_table


def test_a_parquet_file_is_read_in_the_memory_of_a_few_of_its_row_groups(tmp_path: Path) -> None:
    groups, rows = 16, 1000
    schema = pa.schema({"text": pa.string()})
    with pq.ParquetWriter(tmp_path / "large.parquet", schema, compression="none") as file:
        for _ in range(groups):
            file.write_table(pa.table({"text": [random.randbytes(250).hex() for _ in range(rows)]}, schema))
    before, most = pa.total_allocated_bytes(), 0
    for _ in open_table(tmp_path / "large.parquet").iter_batches(batch_size=100):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < (tmp_path / "large.parquet").stat().st_size / 3
