"""A model's outputs on disk: an Arrow file that is written batch by batch, and read in batches or by row numbers.

Either takes the memory of one batch and of what is asked for. Embeddings lie there in half precision, which the
embedding test does not notice (measured in docs/decisions.md).
"""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.adapter import Predictions

NUMBERS, EMBEDDINGS, TEXTS = "numbers", "embeddings", "texts"
LARGEST = float(np.finfo(np.float16).max)


def write_scores(path: Path, outputs: "Iterable[Predictions]") -> int:
    """One record batch for each of `outputs`, of which there must be one at least; the rows written."""
    rows, writer = 0, None
    try:
        for output in outputs:
            halved = output.embeddings.clip(-LARGEST, LARGEST).astype(np.float16)
            columns = {NUMBERS: _column(output.numbers), EMBEDDINGS: _column(halved)}
            if output.texts is not None:
                columns[TEXTS] = pa.array(output.texts, pa.string())
            batch = pa.record_batch(columns)
            writer = writer or pa.ipc.new_file(path, batch.schema)
            writer.write_batch(batch)
            rows += batch.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows


def read_numbers(path: Path, *, rows: "NDArray[np.int64] | None" = None) -> "NDArray[np.float32]":
    """rows × numbers, float32: of the numbered rows, in the order of their numbers' list; None: of all."""
    return _read(path, NUMBERS, rows)


def read_embeddings(path: Path, *, rows: "NDArray[np.int64] | None" = None) -> "NDArray[np.float32]":
    """rows × width, float32; `rows` as for `read_numbers`."""
    return _read(path, EMBEDDINGS, rows)


def read_halved(path: Path, *, rows: "NDArray[np.int64]") -> "NDArray[np.float16]":
    """`read_embeddings` as they lie there, for who uses a few of them at a time."""
    return _picked(path, EMBEDDINGS, rows, np.float16)


def read_texts(path: Path, *, rows: "NDArray[np.int64] | None" = None) -> list[str] | None:
    """What the model wrote for the numbered rows, in the order of their numbers' list, or for all; None where it writes
    nothing."""
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as file:
        if TEXTS not in file.schema.names:
            return None
        found = pa.chunked_array([file.get_batch(i).column(TEXTS) for i in range(file.num_record_batches)], pa.string())
        return (found if rows is None else found.take(pa.array(rows))).to_pylist()


def picked_scores(path: Path, *, rows: "NDArray[np.int64]") -> "Iterator[Predictions]":
    """The outputs of some rows (ascending numbers), batch by batch; what was written for them is read at once."""
    from models.adapter import Predictions

    first, texts = 0, read_texts(path, rows=rows)
    for numbers, embeddings in zip(_batches(path, NUMBERS), _batches(path, EMBEDDINGS), strict=True):
        picked = slice(np.searchsorted(rows, first), np.searchsorted(rows, first + len(numbers)))
        here, first = rows[picked] - first, first + len(numbers)
        yield Predictions(_single(numbers[here]), _single(embeddings[here]), texts and texts[picked])


def _column(values: "NDArray[np.floating]") -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def _single(values: "NDArray[np.floating]") -> "NDArray[np.float32]":
    return values.astype(np.float32, copy=False)


def _batches(path: Path, column: str) -> "Iterator[NDArray[np.floating]]":
    """As they lie in the file: to convert all rows takes longer than to read them."""
    # Read, not mapped: the kernel reads ahead so far that the mapped pages are soon the whole file.
    with pa.OSFile(str(path)) as source:
        schema = pa.ipc.open_file(source).schema
        only = pa.ipc.IpcReadOptions(included_fields=[schema.get_field_index(column)])
        with pa.ipc.open_file(source, options=only) as file:
            for number in range(file.num_record_batches):
                yield _values(file.get_batch(number).column(column))


def _values(column: pa.Array) -> "NDArray[np.floating]":
    return column.values.to_numpy().reshape(-1, column.type.list_size)


def _read(path: Path, column: str, rows: "NDArray[np.int64] | None") -> "NDArray[np.float32]":
    if rows is None:
        return np.concatenate([_single(batch) for batch in _batches(path, column)])
    return _picked(path, column, rows, np.float32)


def _picked(path: Path, column: str, rows: "NDArray[np.int64]", kind: type[Any]) -> Any:
    mapped = _mapped(path)
    with pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped))) as file:
        batches = [_values(file.get_batch(i).column(column)) for i in range(file.num_record_batches)]
        ends = np.cumsum([len(batch) for batch in batches])
        if len(rows) and not 0 <= rows.min() <= rows.max() < ends[-1]:
            raise IndexError(f"asked for rows {rows.min()} to {rows.max()}; {path} holds the rows 0 to {ends[-1] - 1}")
        picked, lies_in = np.empty((len(rows), batches[0].shape[1]), kind), np.searchsorted(ends, rows, "right")
        for number in np.unique(lies_in):
            here = lies_in == number
            picked[here] = batches[number][rows[here] - (ends[number] - len(batches[number]))]
            mapped.madvise(mmap.MADV_DONTNEED)  # with each row come the pages around it: of a million rows, 600 MB
        return picked


def _mapped(path: Path) -> mmap.mmap:
    """For some rows: the kernel is told not to read ahead, and nothing is copied but these rows."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    mapped.madvise(mmap.MADV_RANDOM)
    return mapped
