"""One measurement of `benchmarks.ingestion`, in a process that imports nothing but what it measures."""

import csv
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

PANDAS, INGEST, VALIDATE, NEAR = "pandas.read_csv", "ingest", "ingest and validate", "the same, near duplicates too"

Work = Callable[[], object]


@dataclass(frozen=True)
class Used:
    """Seconds, and mebibytes of resident memory: before the work (imports, the store's client) and at the peak."""

    wall: float
    cpu: float
    before: float
    peak: float


def measure_work(what: str, source: Path) -> Used:
    work = KINDS[what](source)
    before, began, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Used(wall=wall, cpu=cpu, before=before, peak=memory("VmHWM"))


def memory(field: str) -> float:
    """Of this process alone: the peak of getrusage would count the process that this one was forked from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def _pandas(source: Path) -> Work:
    import pandas as pd

    return lambda: pd.read_csv(source)


def _upkeep(source: Path, *, validate: bool, near: float | None = None) -> Work:
    """Ingestion and validation as a run does them, on a store of their own."""
    from infra.local_store import BUCKET, local_store
    from infra.object_store import connect
    from models.contracts import Cursor, ModelKind
    from models.data_sections import Columns, Data, Validation, Windowing
    from tasks.ingestion import ingest_window
    from tasks.validation import validate_rows

    columns = Columns(text="text", label="label", id="id", timestamp="timestamp")
    with source.open(newline="", encoding="utf-8") as file:
        labels = tuple(sorted({row["label"] for row in csv.DictReader(file)} - {""}))
    what = f"{validate}-{near}"
    held = local_store(source.parent / "store")
    server = held.__enter__()
    store = connect(
        bucket=BUCKET, prefix=f"{what}/", cache=source.parent / "cache" / what, endpoint_url=server.url,
        region="us-east-1", access_key=server.access_key, secret_key=server.secret_key,
    )  # fmt: skip

    def work() -> None:
        window = ingest_window.fn(
            Data(sources=(source.name,)), columns, Windowing(), Cursor(),
            run_id="r", base=str(source.parent), store=store,
        )  # fmt: skip
        if validate:
            policy, now = Validation(near_duplicates=near), datetime(2027, 1, 1, tzinfo=UTC)
            kind = ModelKind(task="text-classification", labels=labels, max_tokens=128, seed=1)
            validate_rows.fn(window, columns=columns, kind=kind, policy=policy, now=now, store=store)
        held.__exit__(None, None, None)

    return work


KINDS: dict[str, Callable[[Path], Work]] = {
    PANDAS: _pandas,
    INGEST: lambda source: _upkeep(source, validate=False),
    VALIDATE: lambda source: _upkeep(source, validate=True),
    NEAR: lambda source: _upkeep(source, validate=True, near=0.9),
}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(measure_work(sys.argv[1], Path(sys.argv[2])))) + "\n")
