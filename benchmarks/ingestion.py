"""Claim: a window of any size is ingested and validated in nearly constant memory; and what that costs in time.

Real text: an utterance of CLINC150 and a paper's summary of SciTLDR in each row, paired so that no two rows are the
same. Every number is from a process of its own, beside pandas.read_csv of the same file; the store is SeaweedFS, in
another process that is not counted. Skipped where ../shared/data (or BENCHMARK_DATA) is not there.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.corpus import SHARED
from benchmarks.ingesting import INGEST, KINDS, NEAR, PANDAS, VALIDATE, Used
from benchmarks.results import Bar, Findings, Options, Table, main, say
from benchmarks.scratch import scratch_folder

SIZES = (10_000, 100_000, 1_000_000)
UTTERANCES, SUMMARIES = SHARED / "clinc150" / "clinc150.parquet", SHARED / "scitldr" / "scitldr.parquet"
UNLABELLED = 10
"""One row in so many has no label yet."""
ROW_BYTES, INGEST_GROWTH = 200, 64


def measure_ingestion(options: Options) -> Findings:
    sizes = SIZES[:2] if options.quick else SIZES
    found = {size: _used(size) for size in sizes}
    return Findings(
        question="How much time and memory do ingestion and validation take, from ten thousand to a million rows?",
        tables=(_table(found),), bars=() if options.quick else _bars(found),
        notes=("near duplicates are looked for among the first 200,000 rows of a window only, which bounds their index",
               "wall time depends on what else the machine does; CPU time less so"),
    )  # fmt: skip


def _used(size: int) -> dict[str, Used]:
    with scratch_folder() as folder:
        source = Path(folder, "rows.csv")
        write_rows(source, size)
        return {what: _in_a_process(what, source) for what in KINDS}


def write_rows(path: Path, rows: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "text", "label", "timestamp"))
        writer.writerows(_rows(rows))


def _rows(count: int) -> Iterator[tuple[str, str, str, str]]:
    import pandas as pd

    said = pd.read_parquet(UTTERANCES)
    first, labels = said["text"].tolist(), said["domain"].tolist()
    second = pd.read_parquet(SUMMARIES)["summary"].tolist()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for i in range(count):
        turn, place = divmod(i, len(first))
        text = f"{first[place]}. {second[(997 * turn + i) % len(second)]}"
        label = "" if i % UNLABELLED == 0 else labels[place]
        yield f"row-{i}", text, label, (start + timedelta(seconds=i)).isoformat()


def _table(found: dict[int, dict[str, Used]]) -> Table:
    rows = [
        (f"{size:,}", what, f"{size / used.wall:,.0f}", f"{size / used.cpu:,.0f}", f"{used.peak:.0f}",
         f"{used.before:.0f}", f"{used.cpu / of[PANDAS].cpu:.1f}", f"{used.peak / of[PANDAS].peak:.2f}")
        for size, of in found.items() for what, used in of.items()
    ]  # fmt: skip
    return Table(
        title="From a CSV of about 226 bytes a row",
        says="The peak includes what the imports take before the work begins. Ratios are to pandas.read_csv.",
        columns=("rows", "what", "rows a second", "rows a CPU-s", "peak MiB", "before MiB", "CPU ratio",
                 "memory ratio"), rows=tuple(rows),
    )  # fmt: skip


def _bars(found: dict[int, dict[str, Used]]) -> tuple[Bar, ...]:
    small, large = min(found), max(found)
    less, more = found[small], found[large]
    row = (more[VALIDATE].peak - found[sorted(found)[-2]][VALIDATE].peak) * 2**20 / (large - sorted(found)[-2])
    grown = more[INGEST].peak - less[INGEST].peak
    return (
        Bar(promise=f"ingestion takes at most {INGEST_GROWTH} MiB more for {large:,} rows than for {small:,}",
            measured=f"{grown:.0f} MiB", met=grown <= INGEST_GROWTH),
        Bar(promise=f"validation takes at most {ROW_BYTES} bytes for each further row",
            measured=f"{row:.0f} bytes", met=row <= ROW_BYTES),
        Bar(promise=f"with near duplicates too, {large:,} rows take less memory than pandas.read_csv",
            measured=f"{more[NEAR].peak:.0f} MiB against {more[PANDAS].peak:.0f} MiB",
            met=more[NEAR].peak < more[PANDAS].peak),
    )  # fmt: skip


def _in_a_process(what: str, source: Path) -> Used:
    command = [sys.executable, "-m", "benchmarks.ingesting", what, str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{what} ended with {done.returncode}: {done.stderr[-2000:]}")
    return Used(**json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    if UTTERANCES.exists() and SUMMARIES.exists():
        main("ingestion", measure_ingestion, runs=1, quick=1)
    else:
        say(f"skipped: the texts are not in {SHARED}; BENCHMARK_DATA names another folder")
