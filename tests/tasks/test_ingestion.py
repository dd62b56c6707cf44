"""What ingestion promises about sources, windows and the cursor."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from errors import DataError, FullDisk
from models.contracts import Cursor
from models.data_sections import Columns, Data, Windowing
from models.timestamps import parse_timestamp
from tasks.ingestion import ingest_window
from tests.tasks.conftest import Reader, lines, put

TEXT = Columns(text="text", label="label")
DATED = Columns(text="text", timestamp="at")
ALL, PAIRS = Windowing(), Windowing(by="count", rows=2)


CSV = 'text,label\ngood,1\n"two\nlines, quoted",0\n'


def parquet(path: Path, texts: list[str | None], **columns: Any) -> None:
    pq.write_table(pa.table({"text": texts, "label": ["1"] * len(texts), **columns}), path)


# --- formats ---


def test_csv_rows_know_their_place(reader: Reader) -> None:
    reader.write("a.csv", CSV + "\nlast,1\n")
    rows = reader.rows("a.csv")
    assert [(r["row"], r["source"], r["line"], r["text"], r["label"]) for r in rows] == [
        (0, "a.csv", 2, "good", "1"), (1, "a.csv", 3, "two\nlines, quoted", "0"), (2, "a.csv", 6, "last", "1"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz", "a.parquet", "a.parquet.gz"])
def test_every_format_gives_the_same_rows(reader: Reader, name: str) -> None:
    kind = name.split(".")[1]
    path = reader.base / f"plain.{kind}"
    if kind == "parquet":
        parquet(path, ["one", "two"])
    else:
        path.write_text("text,label\none,1\ntwo,1\n" if kind == "csv" else
                        lines({"text": "one", "label": 1}, {"text": "two", "label": "1"}))  # fmt: skip
    data = path.read_bytes()
    reader.write(name, gzip.compress(data) if name.endswith("gz") else data)
    assert [(r["text"], r["label"], r["problem"]) for r in reader.rows(name)] == [
        ("one", "1", None), ("two", "1", None),
    ]  # fmt: skip


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_data(reader: Reader) -> None:
    reader.write("a.csv", b"\xef\xbb\xbftext,label\r\none,1\r\n")
    reader.write("b.jsonl", b"\xef\xbb\xbf" + lines({"text": "two"}).encode())
    assert reader.texts("a.csv", "b.jsonl") == ["one", "two"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"bad \xff byte,1\n", "broken UTF-8"),
        (b"one,two,3\n", "3 fields, the header has 2"),
        (b"alone\n", "1 fields, the header has 2"),
        (b'"never closed,1\n', "no valid CSV"),
        (b'"a"b,1\n', "no valid CSV"),
        (b"nul\0,1\n", "NUL"),
    ],
)
def test_a_broken_csv_row_costs_one_row(reader: Reader, line: bytes, problem: str) -> None:
    reader.write("a.csv", b"text,label\nbefore,1\n" + line + b"after,1\nlast,0\n")
    rows = reader.rows("a.csv")
    assert [r["text"] for r in rows] == ["before", None, "after", "last"]
    assert problem in rows[1]["problem"] and rows[1]["line"] == 3 and rows[1]["raw"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"text": "bad \xff byte"}\n', "broken UTF-8"),
        (b'{"text": "\\ud800"}\n', "broken UTF-8"),
        (b'{"text": \n', "no valid JSON"),
        (b"[1, 2]\n", "the line is a list, not an object"),
        (b'{"text": 7}\n', "text is a number, not a string"),
        (b'{"text": {"a": 1}}\n', "text is an object, not a string"),
        (b"[" * 100_000 + b"\n", "no valid JSON"),
    ],
)
def test_a_broken_json_line_costs_one_row(reader: Reader, line: bytes, problem: str) -> None:
    good = lines({"text": "good", "label": None}).encode()
    reader.write("a.jsonl", good + line + good)
    rows = reader.rows("a.jsonl")
    assert [r["text"] for r in rows] == ["good", None, "good"]
    assert problem in rows[1]["problem"]


def test_a_line_longer_than_memory_allows_is_a_problem_and_not_a_crash(reader: Reader) -> None:
    reader.write("a.csv", "text,label\nbefore,1\n" + "x" * (17 << 20) + ",1\nafter,1\n")
    rows = reader.rows("a.csv")
    assert [r["text"] for r in rows] == ["before", None, "after"] and len(rows[1]["raw"]) <= 10_000


def test_json_that_nests_too_deep_costs_one_row_at_whatever_depth(reader: Reader) -> None:
    limits = (*range(900, 1100), 5_000, 10_000, 20_000, 100_000)  # of Python 3.11, and of those above it
    deep = [f'{{"text": "deep", "label": {"[" * depth}{"]" * depth}}}\n' for depth in limits]
    reader.write("a.jsonl", "".join([*deep, *lines({"text": "end"})]))
    rows = reader.rows("a.jsonl")
    assert len(rows) == len(deep) + 1 and rows[-1]["text"] == "end"
    assert {str(row["problem"])[:13] for row in rows} == {"None", "no valid JSON"}


def test_parquet_types_become_strings(reader: Reader) -> None:
    at = datetime(2024, 5, 1, 12, tzinfo=UTC)
    columns = Columns(text="text", label="y", timestamp="at", score="s", slices=("tag",))
    table = pa.table({
        "text": pa.array(["a", "b"]).dictionary_encode(), "y": [1.0, float("nan")], "at": [at, None],
        "s": [0.5, None], "tag": [["x"], None],
    })  # fmt: skip
    pq.write_table(table, reader.base / "a.parquet")
    first, second = reader.rows("a.parquet", columns=columns)
    assert first["label"] == "1" and first["score"] == "0.5" and first["slice:tag"] == '["x"]'
    assert parse_timestamp(first["timestamp"]) == at
    assert second["label"] is None and second["text"] == "b"


BEYOND = 2**62


@pytest.mark.parametrize(
    "kind",
    [pa.timestamp(unit, tz) for unit in ("ms", "us") for tz in (None, "Europe/Berlin")]
    + [pa.list_(pa.timestamp("ms")), pa.list_(pa.time64("us")), pa.list_(pa.timestamp("us", "Nowhere/None"))],
)
def test_a_moment_that_no_calendar_has_is_told_as_such_and_costs_neither_the_run_nor_a_neighbour(
    reader: Reader, kind: pa.DataType
) -> None:
    values = pa.array([[BEYOND], [0], None] if pa.types.is_list(kind) else [BEYOND, 0, None], kind)
    pq.write_table(pa.table({"text": ["a", "b", "c"], "at": values}), reader.base / "a.parquet")
    rows = reader.rows("a.parquet", columns=Columns(text="text", timestamp="at"))
    beyond, near, missing = (row["timestamp"] for row in rows)
    assert f"value out of range: {BEYOND}" in beyond and parse_timestamp(beyond) is None
    assert "00:00:00" in near and missing is None


def test_broken_utf8_in_parquet_costs_one_row(reader: Reader) -> None:
    texts = pa.array([b"good", b"bad \xff", b"end"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": texts, "label": ["1", "1", "1"]}), reader.base / "a.parquet")
    rows = reader.rows("a.parquet")
    assert [r["text"] for r in rows] == ["good", None, "end"] and rows[1]["problem"] == "broken UTF-8"


# --- what is refused ---


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_missing_column_is_named_with_the_file_and_what_is_there(reader: Reader, name: str) -> None:
    reader.write("a.csv", "text,stars\none,1\n")
    pq.write_table(pa.table({"text": ["one"], "stars": [1]}), reader.base / "a.parquet")
    with pytest.raises(DataError, match=rf"{name} has no column 'label'.*'text', 'stars'"):
        reader.window(name)


def test_json_lines_without_the_text_key_in_any_row_are_refused(reader: Reader) -> None:
    reader.write("a.jsonl", lines({"body": "one"}, {"body": "two"}))
    with pytest.raises(DataError, match=r"a\.jsonl has no column 'text'.*'body'"):
        reader.window("a.jsonl")


def test_a_json_row_without_a_key_has_a_null(reader: Reader) -> None:
    reader.write("a.jsonl", lines({"text": "one"}, {"label": "1"}))
    assert [(r["text"], r["label"], r["problem"]) for r in reader.rows("a.jsonl")] == [
        ("one", None, None), (None, "1", None),
    ]  # fmt: skip


def test_what_python_writes_into_json_for_a_missing_value_is_a_null_as_in_parquet(reader: Reader) -> None:
    missing = float("nan")
    reader.write("a.jsonl", lines({"text": "one", "label": missing, "age": missing, "score": missing}))
    columns = Columns(text="text", label="label", score="score", metadata=("age",))
    (row,) = reader.rows("a.jsonl", columns=columns)
    assert [row[name] for name in ("label", "meta:age", "score")] == [None, None, "NaN"]


@pytest.mark.parametrize("pattern", ["none.csv", "none-*.csv", "s3://BUCKET/none/"])
def test_a_source_that_matches_nothing_is_named(reader: Reader, pattern: str) -> None:
    pattern = pattern.replace("BUCKET", reader.store.bucket)
    with pytest.raises(DataError, match="no file matches"):
        reader.window(pattern)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"text,label\n", "set data.format"),
        ("a.csv", b'"text,label\n', "header is no valid CSV"),
        ("a.csv", b"text,label\rone,1\rtwo,2\r\n", "lines end with .*Macintosh.* saved as a plain one"),
        ("a.csv", b"text;label\nwell, one;1\n", "a.csv separates.* by semicolons.*'text;label'.* by commas; save it"),
        ("a.csv", b'"text"\t"label"\n"one"\t"1"\n', "by tabs.* by commas; save it"),
        ("a.csv", "text,label\none,1\n".encode("utf-16"), "a.csv is UTF-16.* save it as UTF-8"),
        ("a.jsonl", '{"text": "one"}\n'.encode("utf-16"), "a.jsonl is UTF-16.* save it as UTF-8"),
        ("a.csv", b"text,label,text\n", "2 columns named 'text'"),
        pytest.param(
            "a.csv.gz", gzip.compress(b"text,label\n" + b"one,1\n" * 99_999)[:-20], "no complete gzip", id="cut"
        ),
        ("a.csv.gz", b"no gzip at all", "no complete gzip"),
        ("a.parquet", b"PAR1 nonsense", "no readable Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(reader: Reader, name: str, data: bytes, message: str) -> None:
    reader.write(name, data)
    with pytest.raises(DataError, match=message):
        reader.window(name)


def test_a_folder_is_no_source(reader: Reader) -> None:
    with pytest.raises(DataError, match=r"is a folder; write .*\*\.csv"):
        reader.window(".")


# --- the cursor ---


def test_files_are_read_by_name_and_each_once(reader: Reader) -> None:
    for name in ("b", "a", "c"):
        reader.write(f"{name}.csv", f"text,label\n{name},1\n")
    assert reader.texts("*.csv", "b.csv") == ["a", "b", "c"]
    assert reader.texts("*.csv", "b.csv") == []


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_an_appended_file_continues_where_it_was(reader: Reader, name: str) -> None:
    first, more = (
        ("text,label\none,1\n", "two,1\n") if name == "a.csv" else (lines({"text": "one"}), lines({"text": "two"}))
    )
    reader.write(name, first)
    assert reader.texts(name) == ["one"]
    reader.append(name, more)
    (row,) = reader.rows(name)
    assert row["text"] == "two" and row["line"] == first.count("\n") + 1
    assert reader.cursor.positions[0].rows == 2


@pytest.mark.parametrize("rewrite", ["text,label\nnew,1\nnew too,0\nand more,1\n", "text,label\nnew,1\n"])
def test_a_replaced_or_shrunken_file_is_read_anew(reader: Reader, rewrite: str) -> None:
    reader.write("a.csv", "text,label\none,1\ntwo,0\n")
    reader.window("a.csv")
    reader.write("a.csv", rewrite)
    assert reader.texts("a.csv")[0] == "new"


@pytest.mark.parametrize("anew", [False, True])
def test_a_gzip_file_continues_behind_the_rows_that_were_read(reader: Reader, anew: bool) -> None:
    first, more = b"text,label\none,1\n", b"two,1\n"
    reader.write("a.csv.gz", gzip.compress(first))
    assert reader.texts("a.csv.gz") == ["one"]
    reader.write("a.csv.gz", gzip.compress(first + more) if anew else gzip.compress(first) + gzip.compress(more))
    assert reader.texts("a.csv.gz") == ["two"]


def test_parquet_continues_behind_the_rows_that_were_read(reader: Reader) -> None:
    parquet(reader.base / "a.parquet", ["one", "two"])
    assert reader.texts("a.parquet") == ["one", "two"]
    parquet(reader.base / "a.parquet", ["one", "two", "three"])
    (row,) = reader.rows("a.parquet")
    assert (row["text"], row["line"]) == ("three", 3)
    parquet(reader.base / "a.parquet", ["other", "two", "three", "four"])
    assert reader.texts("a.parquet") == ["other", "two", "three", "four"]


def test_objects_below_a_prefix_are_read_and_continued(reader: Reader) -> None:
    source = f"s3://{reader.store.bucket}/logs/"
    put(reader, "b.csv", "text,label\ntwo,1\n")
    put(reader, "a.csv", "text,label\none,1\n")
    put(reader, "_SUCCESS", "")
    assert reader.texts(source) == ["one", "two"]
    put(reader, "a.csv", "text,label\none,1\nmore,1\n")
    put(reader, "b.csv", "text,label\nreplaced,1\n")
    assert reader.texts(source) == ["more", "replaced"]


def test_what_a_writer_has_not_committed_and_a_tables_log_are_no_rows(reader: Reader) -> None:
    put(reader, "_day/_of/a.csv", "text,label\none,1\n")
    for name in ("_temporary/0/task-1/a.csv", "_delta_log/00000.json", ".hidden/a.csv"):
        put(reader, f"_day/{name}", "text,label\nhalf,1\n")
    for prefix in ("logs/_day/", "logs/_day", "logs/_d", "logs/_day/_of/a.csv"):
        reader.cursor = Cursor()
        assert reader.texts(f"s3://{reader.store.bucket}/{prefix}") == ["one"]


def point(reader: Reader, link: str, target: str) -> None:
    """As git-sync does: the link is replaced in one step."""
    draft = reader.base / f"{link}.new"
    draft.symlink_to(target)
    draft.replace(reader.base / link)


def test_a_link_that_is_pointed_to_a_newer_folder_goes_on_where_it_was(reader: Reader) -> None:
    for folder, more in {"rev-1": "", "rev-2": "two,1\n"}.items():
        reader.base.joinpath(folder).mkdir()
        reader.write(f"{folder}/a.csv", f"text,label\none,1\n{more}")
    point(reader, "current", "rev-1")
    assert reader.texts("current/*.csv") == ["one"]
    point(reader, "current", "rev-2")
    assert reader.texts("current/*.csv") == ["two"]
    assert [known.uri for known in reader.cursor.positions] == ["current/a.csv"]


def test_a_linked_file_whose_position_bears_its_own_name_is_not_read_again(reader: Reader) -> None:
    reader.write("day.csv", "text,label\none,1\n")
    assert reader.texts("day.csv") == ["one"]
    point(reader, "latest.csv", "day.csv")
    reader.append("day.csv", "two,1\n")
    assert reader.texts("latest.csv") == ["two"]


def test_a_file_that_a_link_leads_to_as_well_is_read_once_by_its_own_name(reader: Reader) -> None:
    reader.write("z.csv", "text,label\none,1\n")
    point(reader, "a.csv", "z.csv")
    assert [(row["text"], row["source"]) for row in reader.rows("*.csv")] == [("one", "z.csv")]


def test_a_link_into_a_cache_whose_files_have_no_ending_says_the_format_itself(reader: Reader) -> None:
    reader.write("5d41402abc", "text,label\none,1\n")
    point(reader, "a.csv", "5d41402abc")
    assert reader.texts("*.csv") == ["one"]


def test_an_empty_file_has_no_rows_yet(reader: Reader) -> None:
    reader.write("a.jsonl", "")
    reader.write("b.csv", "text,label\n")
    assert reader.texts("a.jsonl", "b.csv") == []


def test_a_resumed_run_finds_the_window_it_read(reader: Reader) -> None:
    reader.write("a.csv", "text,label\none,1\n")
    data = Data(sources=("a.csv",))
    first, again = (
        ingest_window.fn(data, TEXT, ALL, Cursor(), run_id="r", base=str(reader.base), store=reader.store)
        for _ in range(2)
    )
    assert first == again
    assert [reused for _, _, reused in reader.store.timings] == [False, True]


# --- windows ---


def test_windows_by_count_wait_until_they_are_full_and_lose_nothing(reader: Reader) -> None:
    by = Windowing(by="count", rows=2)
    reader.write("a.csv", "text,label\n1,1\n2,1\n3,1\n")
    assert reader.texts("a.csv", by=by) == ["1", "2"]
    before = reader.cursor
    window = reader.window("a.csv", by=by)
    assert window.waiting and window.rows == 0 and window.cursor == before
    reader.append("a.csv", "4,1\n")
    assert reader.texts("a.csv", by=by) == ["3", "4"]


def test_a_log_that_grows_faster_than_windows_are_taken_does_not_keep_the_others_waiting(reader: Reader) -> None:
    logs = {name: ["text"] for name in "abc"}

    def grow() -> None:
        for name, log in logs.items():
            log += [f"{name}{len(log) + i}" for i in range(3)]
            reader.write(f"{name}.csv", "\n".join([*log, ""]))

    seen = []
    for _ in range(4):
        grow()
        seen.append(reader.texts("*.csv", columns=Columns(text="text"), by=PAIRS))
    assert seen == [["a1", "a2"], ["b1", "b2"], ["c1", "c2"], ["a3", "a4"]]


def test_files_of_days_are_counted_in_their_order_also_while_todays_grows(reader: Reader) -> None:
    reader.write("day-1.csv", "text\n1a\n1b\n1c\n")
    first = reader.texts("*.csv", columns=Columns(text="text"), by=PAIRS)
    reader.write("day-1.csv", "text\n1a\n1b\n1c\n1d\n1e\n")  # until its end
    reader.write("day-2.csv", "text\n2a\n2b\n2c\n")
    second, third = (reader.texts("*.csv", columns=Columns(text="text"), by=PAIRS) for _ in range(2))
    assert [first, second, third] == [["1a", "1b"], ["1c", "1d"], ["1e", "2a"]]


def dated(*moments: str) -> str:
    return "text,at\n" + "".join(f"t{i},{moment}\n" for i, moment in enumerate(moments))


def test_a_full_disk_is_not_blamed_on_the_source(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a fault that is planted: /dev/full is what a disk without room says."""
    reader.write("a.csv", b"text,label\none film,pos\n")
    with open("/dev/full", "wb", buffering=0) as full, monkeypatch.context() as patched:
        patched.setattr("tasks.ingestion.TableWriter.add", lambda *_: full.write(b"x"))
        with pytest.raises(FullDisk, match=r"no room below .* for the rows of a\.csv.*set TMPDIR"):
            reader.rows("a.csv")


def test_windows_by_time_end_at_the_period(reader: Reader) -> None:
    by = Windowing(by="time", period="1d")
    reader.write("a.csv", dated("2024-05-01T10:00", "2024-05-01T23:59Z", "what", "2024-05-02T00:00:00+00:00"))
    window = reader.window("a.csv", columns=DATED, by=by)
    assert window.rows == 3 and window.first_at == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert window.last_at == datetime(2024, 5, 1, 23, 59, tzinfo=UTC)
    assert reader.texts("a.csv", columns=DATED, by=by) == ["t3"]
    assert reader.window("a.csv", columns=DATED, by=by).waiting


def test_a_window_by_time_has_the_rows_of_every_file_and_none_is_passed_over_for_ever(reader: Reader) -> None:
    by = Windowing(by="time", period="1d")
    reader.write("one.csv", dated("2024-05-01T10:00", "2024-05-02T01:00"))
    reader.write("two.csv", dated("2024-05-01T11:00", "2024-05-02T02:00"))
    days = []
    for day in (2, 3, 4):
        rows = reader.rows("one.csv", "two.csv", columns=DATED, by=by)
        days.append([(row["source"], row["timestamp"]) for row in rows])
        reader.append("one.csv", f"more,2024-05-0{day + 1}T01:00\n")
        reader.append("two.csv", f"more,2024-05-0{day + 1}T02:00\n")
    assert days == [
        [("one.csv", "2024-05-01T10:00"), ("two.csv", "2024-05-01T11:00")],
        [("one.csv", "2024-05-02T01:00"), ("two.csv", "2024-05-02T02:00")],
        [("one.csv", "2024-05-03T01:00"), ("two.csv", "2024-05-03T02:00")],
    ]


def test_a_window_by_time_waits_while_its_period_lasts(reader: Reader) -> None:
    by = Windowing(by="time", period="52w")
    reader.write("a.csv", dated(datetime.now(UTC).isoformat()))
    window = reader.window("a.csv", columns=DATED, by=by)
    assert window.waiting and window.rows == 0 and window.cursor == Cursor()


def test_one_broken_clock_does_not_hold_windows_up(reader: Reader) -> None:
    far = (datetime.now(UTC) + timedelta(days=9000)).isoformat()
    reader.write("a.csv", dated(far, "2024-05-01", far, "2024-05-02"))
    window = reader.window("a.csv", columns=DATED, by=Windowing(by="time", period="1d"))
    assert window.rows == 3 and not window.waiting


def test_a_moment_without_a_zone_is_in_utc_as_the_spec_says_also_where_clocks_were_put_back() -> None:
    """In Berlin, 02:30 came twice that night."""
    naive = parse_timestamp("2026-10-25T02:30:00")
    told = [parse_timestamp(f"2026-10-25T02:30:00+0{hours}:00") for hours in (2, 1, 0)]
    assert naive == told[2] and [str(moment)[11:16] for moment in told] == ["00:30", "01:30", "02:30"]
    assert "in UTC where it names no zone" in str(Columns.model_fields["timestamp"].description)


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2024-05-01T12:00:00Z", 12), ("2024-05-01 12:00", 12), ("2024-05-01T12:00+02:00", 10), ("1714564800", 12),
     ("1714564800.0", 12), ("1.7145648e9", 12), ("soon", None), ("", None), ("1e300", None),
     ("0001-01-01T00:00+14:00", None), ("2024-05-01 12:00:00 UTC", 12), ("2024-05-01T12:00:00.000 UTC", 12),
     ("2024-05-01 12:00+02:00 UTC", None), ("2024-05-01 12:00 CET", None), ("1714564800 UTC", None),
     ("1714564800000", 12), ("1714564800000.0", 12), ("1.7145648e12", 12), ("1714564800000000", 12),
     ("1714564800000000000", 12), ("202405011200", None), ("20240501120000", None), ("20240501120000000", None),
     ("20240501120000000000", None)],
)  # fmt: skip
def test_timestamps_are_iso_8601_or_unix_time(text: str, hour: int | None) -> None:
    expected = None if hour is None else datetime(2024, 5, 1, hour, tzinfo=UTC)
    assert parse_timestamp(text) == expected


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20240501", "2024-05-01"), ("20240501.0", "2024-05-01"), ("2024", "2024-01-01"), ("2024.0", "2024-01-01"),
        ("20240230", None), ("20241301", "1970-08-23"), ("2024.5", "1970-01-01"),
    ],
)  # fmt: skip
def test_a_date_without_dashes_is_no_second_of_1970(text: str, day: str | None) -> None:
    moment = parse_timestamp(text)
    assert (moment and moment.date().isoformat()) == day
