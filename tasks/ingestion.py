"""The first step: reads what is new in the sources into one window of raw rows."""

import logging
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.object_store import ObjectStore
from infra.progress import bar
from infra.stages import once
from models.contracts import Cursor, SourcePosition, Table, Window
from models.data_sections import Columns, Data, Windowing
from models.part import parse_period
from models.row_schemas import raw_schema
from models.timestamps import parse_timestamp
from tasks.records import RawRow, Roles, first_bytes
from tasks.resuming import local_copy, position, read_rows, resume
from tasks.sources import SourceFile, find_files
from tasks.tables import TableWriter
from tasks.turns import in_turn

log = logging.getLogger(__name__)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BELIEVED_AHEAD = timedelta(days=1)


@task(name="ingest window", cache_policy=NO_CACHE)
@once("ingest")
def ingest_window(
    data: Data, columns: Columns, window: Windowing, cursor: Cursor, *, run_id: str, base: str, store: ObjectStore
) -> Window:
    """The next window after `cursor`, as it was read. DataError where a source or a named column is missing.

    Relative sources are relative to `base`. `run_id` makes every run look anew; a resumed one finds its rows.
    """
    now = datetime.now(UTC)
    bounds = Bounds(window, now=now)
    reading = _Reading(_roles(columns), {p.uri: p for p in cursor.positions}, bounds, now, store)
    files = in_turn(find_files(data, base=base, now=now, store=store), cursor)
    with tempfile.TemporaryDirectory(prefix="upkeep-") as folder:
        rows_path, empty_path = Path(folder, "rows.parquet"), Path(folder, "empty.parquet")
        with TableWriter(rows_path, raw_schema(tuple(columns.extra))) as table:
            ended = reading.read(files, table, Path(folder))
        if bounds.is_waiting:
            with TableWriter(empty_path, raw_schema(tuple(columns.extra))):
                pass
            nothing = Table.of(store.put_blob("windows", empty_path), rows=0)
            return Window(table=nothing, first_at=None, last_at=None, cursor=cursor, waiting=True, read_at=now)
        stored = Table.of(store.put_blob("windows", rows_path), rows=table.rows)
    log.info("run %s read %d rows from %d files", run_id, stored.rows, len(files))
    return Window(
        table=stored, first_at=bounds.first_at, last_at=bounds.last_at,
        cursor=Cursor(positions=tuple(reading.positions.values()), ended=ended), waiting=False,
        unfinished=tuple(reading.unfinished), read_at=now,
    )  # fmt: skip


def _roles(columns: Columns) -> Roles:
    named = {role: getattr(columns, role) for role in
             ("text", "label", "id", "timestamp", "prediction", "score", "latency")}  # fmt: skip
    return {role: c for role, c in named.items() if c} | columns.extra


class Bounds:
    """Where a window ends, decided row by row."""

    def __init__(self, window: Windowing, *, now: datetime) -> None:
        self.first_at: datetime | None = None
        self.last_at: datetime | None = None
        self._limit = window.rows
        self._period = parse_period(window.period) if window.period else None
        self._by, self._now, self._rows, self._is_over = window.by, now, 0, False
        self._end: datetime | None = None
        """By time: the end of the period that the first dated row lies in; None before that row."""

    def admits(self, row: RawRow) -> bool:
        """Counts a row in, or leaves it, and what is behind it in its file, to a later window."""
        moment = parse_timestamp(row.values.get("timestamp") or "")
        if self.is_full or self._is_beyond(moment):
            self._is_over = True
            return False
        self._rows += 1
        if moment:
            self.first_at = min(self.first_at or moment, moment)
            self.last_at = max(self.last_at or moment, moment)
        return True

    def _is_beyond(self, moment: datetime | None) -> bool:
        # A moment that lies far ahead is a broken clock: it must not hold windows up for years.
        if self._period is None or moment is None or moment > self._now + BELIEVED_AHEAD:
            return False
        if self._end is None:
            self._end = EPOCH + ((moment - EPOCH) // self._period + 1) * self._period
        return moment >= self._end

    @property
    def is_full(self) -> bool:
        """True once no further row of any file belongs to the window; by time, other files may hold some."""
        return self._limit is not None and self._rows >= self._limit

    @property
    def is_waiting(self) -> bool:
        if self._by == "all" or self.is_full or self._is_over:
            return False
        if self._by == "count" or self._rows == 0:
            return True
        return self._end is not None and self._end > self._now


class _Whole:
    """The rows of a file; `left_open` says at their end whether a last line was left."""

    def __init__(self, rows: Generator[RawRow, None, bool]) -> None:
        self._rows, self.left_open = rows, False

    def __iter__(self) -> Iterator[RawRow]:
        self.left_open = yield from self._rows


@dataclass
class _Reading:
    """One pass over the files; `positions` moves only past rows that the window took."""

    roles: Roles
    positions: dict[str, SourcePosition]
    bounds: Bounds
    now: datetime
    store: ObjectStore
    unfinished: list[str] = field(default_factory=list)

    def read(self, files: list[SourceFile], table: TableWriter, folder: Path) -> tuple[str, ...]:
        """Where a full window ended: in the first of these files, and without the others."""
        changed = [source for source in files if not self._is_read(source)]
        with bar("reading", total=None, unit="rows") as advance:
            for number, source in enumerate(changed):
                with local_copy(source, folder=folder, store=self.store) as path:
                    for row in self._new_rows(source, path):
                        table.add(self._record(row, source.uri, table.rows))
                        advance(1)
                if self.bounds.is_full:
                    return tuple(source.uri for source in changed[number:])
        return ()

    def _is_read(self, source: SourceFile) -> bool:
        known = self._known(source)
        return known is not None and known.state is not None and known.state == source.state

    def _known(self, source: SourceFile) -> SourcePosition | None:
        return self.positions.get(source.uri) or self.positions.get(source.real)

    def _new_rows(self, source: SourceFile, path: Path) -> Iterator[RawRow]:
        begun = first_bytes(path)
        start = resume(source, path, self.roles, self._known(source))
        end, taken, state = start.offset, 0, None
        rows = _Whole(read_rows(source, path, self.roles, start, growing=partial(source.is_growing, self.now)))
        for row in rows:
            if not self.bounds.admits(row):
                break
            yield row
            end, taken = row.end, taken + 1
            if self.bounds.is_full:
                break
        else:
            if rows.left_open:
                self.unfinished.append(source.uri)
            else:
                state = source.state
        if taken or state:
            self.positions[source.uri] = position(
                source, path, self.roles, begun=begun, offset=end, rows=start.rows + taken, state=state
            )  # fmt: skip

    def _record(self, row: RawRow, source: str, number: int) -> dict[str, object]:
        place = {"row": number, "source": source, "line": row.line}
        return {**row.values, **place, "problem": row.problem, "raw": row.raw}
