"""Files that are being written, and files that did not change."""

import dataclasses
import glob
import os
import time
from datetime import timedelta
from pathlib import Path
from pkgutil import resolve_name as resolve
from typing import Any

import pandas as pd
import pytest

from errors import DataError
from infra.object_store import ObjectStore
from models.data_sections import Data, Windowing
from tasks import ingestion, resuming, sources
from tasks.records import open_bytes
from tasks.resuming import read_rows
from tests.tasks.conftest import Reader, lines, put

# --- which files ---


@pytest.mark.parametrize("folder", ["mine [v2]", "what?", "a*b"])
def test_signs_of_a_pattern_in_the_name_of_the_specs_own_folder_are_a_name(reader: Reader, folder: str) -> None:
    reader.base = reader.base / folder
    reader.base.mkdir()
    reader.write("a.csv", "text,label\none,1\n")
    assert reader.texts("*.csv") == ["one"]
    reader.write("b.csv", "text,label\ntwo,1\n")
    assert reader.texts(f"{glob.escape(str(reader.base))}/[b].csv") == ["two"]


def test_a_file_whose_name_is_not_utf8_is_named_as_well_as_can_be(reader: Reader) -> None:
    path = os.fsencode(reader.base) + "/电影.csv".encode("gbk")  # as an archive from an old Windows unpacks
    Path(os.fsdecode(path)).write_text("text,label\none,1\n")
    with pytest.raises(DataError, match=r"the name of \\xb5\\xe7.*\.csv is not UTF-8; rename"):
        reader.rows("*.csv")


def test_a_file_is_known_by_its_name_so_that_a_log_which_was_rotated_is_read_again_as_the_spec_says(
    reader: Reader,
) -> None:
    reader.write("events.jsonl", lines({"text": "one"}))
    assert reader.texts("events*.jsonl") == ["one"]
    reader.base.joinpath("events.jsonl").rename(reader.base / "events-1.jsonl")
    reader.write("events.jsonl", lines({"text": "two"}))
    assert reader.texts("events*.jsonl") == ["one", "two"]
    assert "under another, as a rotated log has, its rows are read again" in str(
        Data.model_fields["sources"].description
    )


# --- a file that is being written ---


def is_quiet(path: Path) -> None:
    """Nobody has written to the file for two minutes."""
    seen = path.stat()
    os.utime(path, (seen.st_atime, time.time() - 120))


GROWN = {
    "a.csv": ('text,label\na,1\r\n"of\nthree\nlines, ""b""",0\n"c",1\n', ["a", 'of\nthree\nlines, "b"', "c"]),
    "a.jsonl": (lines({"text": "{a}"}, {"text": "b"}), ["{a}", "b"]),
}


@pytest.mark.parametrize("name", GROWN)
def test_a_file_that_is_read_after_every_byte_gives_every_row_once_and_whole(reader: Reader, name: str) -> None:
    data, texts = GROWN[name]
    read = []
    for byte in data:
        reader.append(name, byte)
        read += reader.rows(name)
    assert [row["text"] for row in read] == texts
    assert [row["problem"] for row in read] == [None] * len(texts)


def export(path: Path, word: str) -> None:
    rows = [{"text": f"{word} {i}", "label": "1"} for i in range(5)]
    write = {".csv": pd.DataFrame.to_csv, ".gz": pd.DataFrame.to_csv, ".parquet": pd.DataFrame.to_parquet}
    write[path.suffix](pd.DataFrame(rows), path, index=False)


@pytest.mark.parametrize("in_one_step", [True, False])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_a_file_that_is_written_anew_while_it_is_read_is_read_again_as_what_it_is_then(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, name: str, in_one_step: bool
) -> None:
    """As a nightly export is; by the new file's fingerprint its rows, which nobody has read, would count as read."""
    path, draft = reader.base / name, reader.base / f"draft-{name}"
    export(path, "old")

    def written_meanwhile(*given: Any, **named: Any) -> Any:
        rows = read_rows(*given, **named)
        yield next(rows)
        export(draft if in_one_step else path, "new")
        if in_one_step:
            draft.replace(path)
        return (yield from rows)

    with monkeypatch.context() as writing:
        writing.setattr(ingestion, "read_rows", written_meanwhile)
        with pytest.raises(DataError, match=f"{name} was written anew while it was read; run again"):
            reader.window(name)
    assert reader.texts(name) == [f"new {i}" for i in range(5)]


@pytest.mark.parametrize("name", GROWN)
def test_a_last_line_without_an_end_is_read_once_the_file_is_quiet_and_only_once(reader: Reader, name: str) -> None:
    data, texts = GROWN[name]
    more, extra = ("more,1\n", "more") if name == "a.csv" else (lines({"text": "more"}), "more")
    reader.write(name, data.rstrip())
    is_quiet(reader.base / name)
    assert reader.texts(name) == texts
    reader.append(name, "\n" + more)
    assert reader.texts(name) == [extra]


@pytest.mark.parametrize(("name", "data"), [("a.csv", "text,label\none,1\ntw"), ("a.jsonl", '{"text": "one"}\n{"te')])
def test_half_a_last_line_is_left_with_a_note_and_quarantined_once_nobody_writes_it(
    reader: Reader, name: str, data: str
) -> None:
    reader.write(name, data)
    window = reader.window(name)
    assert (window.rows, window.unfinished) == (1, (name,))
    is_quiet(reader.base / name)
    (row,) = reader.rows(name)
    assert row["problem"] and row["raw"] == data.splitlines()[-1] and row["line"] == data.count("\n") + 1


@pytest.mark.parametrize("meanwhile", ["tasks.ingestion.resume", "tasks.ingestion._Reading._record"])
@pytest.mark.parametrize(("name", "half", "rest"), [("a.csv", "tw", "o,1\n"), ("a.csv", '"tw', 'o",1\n'),
                                                    ("a.jsonl", '{"text": "tw', 'o"}\n')])  # fmt: skip
def test_half_a_line_that_was_begun_after_the_files_were_listed_is_left_for_the_next_run(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, meanwhile: str, name: str, half: str, rest: str
) -> None:
    reader.write(name, "text,label\none,1\n" if name == "a.csv" else lines({"text": "one"}))
    is_quiet(reader.base / name)
    path, before = reader.base / name, resolve(meanwhile)

    def and_first(*args: Any, **kwargs: Any) -> Any:
        if not path.read_text().endswith(half):
            reader.append(name, half)
        return before(*args, **kwargs)

    with monkeypatch.context() as writing:
        writing.setattr(meanwhile, and_first)
        window = reader.window(name)
    assert (window.rows, window.unfinished) == (1, (name,))
    reader.append(name, rest)
    assert reader.texts(name) == ["two"]


def test_a_stray_quote_does_not_hold_back_the_rows_behind_it(reader: Reader) -> None:
    reader.write("a.csv", 'text,label\n"never closed,1\nafter,1\nla')
    assert [row["text"] for row in reader.rows("a.csv")] == [None, "after"]
    reader.write("b.csv", 'text,label\n"' + "no row\n" * 10_000)
    assert len(reader.rows("b.csv")) == 10_000


def test_a_last_line_without_an_end_is_not_forgotten_because_of_a_stray_quote_before_it(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"s3://{reader.store.bucket}/logs/a.csv"  # written once, and never again
    put(reader, "a.csv", 'text,label\n"never closed,1\nafter,1\nlast,1')
    window = reader.window(source)
    assert (window.rows, window.unfinished) == (2, (source,))
    monkeypatch.setattr(sources, "QUIET", timedelta(0))
    assert reader.texts(source) == ["last"]


def test_an_open_cell_with_a_carriage_return_waits_for_its_end(reader: Reader) -> None:
    reader.write("a.csv", 'text,label\none,1\n"two\n\rlines\n')
    window = reader.window("a.csv")
    assert (window.rows, window.unfinished) == (1, ("a.csv",))
    reader.append("a.csv", 'more",1\nlast,1\n')
    assert reader.texts("a.csv") == ["two\n\rlines\nmore", "last"]


def test_a_header_that_is_being_written_is_no_missing_column(reader: Reader) -> None:
    for header in ("", "text,la", '"text","la'):
        reader.write("a.csv", header)
        assert reader.texts("a.csv") == []


# --- a file that did not change ---


def fetched(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The objects that are downloaded from now on."""
    seen: list[str] = []
    fetch = type(reader.store).fetch_uri

    def watched(self: ObjectStore, uri: str, target: Path) -> None:
        seen.append(uri.rpartition("/")[2])
        fetch(self, uri, target)

    monkeypatch.setattr(type(reader.store), "fetch_uri", watched)
    return seen


def test_an_object_is_downloaded_again_only_when_it_changed(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, source = fetched(reader, monkeypatch), f"s3://{reader.store.bucket}/logs/"
    put(reader, "a.csv", "text,label\none,1\n")
    put(reader, "b.csv", "text,label\ntwo,1\n")
    assert reader.texts(source) == ["one", "two"]
    assert (reader.texts(source), seen) == ([], ["a.csv", "b.csv"])
    put(reader, "b.csv", "text,label\nTWO,1\n")  # as many bytes as before
    assert (reader.texts(source), seen[2:]) == (["TWO"], ["b.csv"])
    put(reader, "a.csv", "text,label\none,1\nmore,1\n")
    assert (reader.texts(source), seen[3:]) == (["more"], ["a.csv"])


def test_an_object_of_which_rows_are_left_is_downloaded_again(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, source = fetched(reader, monkeypatch), f"s3://{reader.store.bucket}/logs/"
    by = Windowing(by="count", rows=2)
    put(reader, "a.csv", "text,label\n1,1\n2,1\n3,1\n4,1\nhal")
    assert [reader.texts(source, by=by) for _ in range(2)] == [["1", "2"], ["3", "4"]]
    assert reader.texts(source) == []
    assert seen == ["a.csv"] * 3
    assert reader.window(source).unfinished == (source + "a.csv",)


def test_a_listing_without_etags_means_that_every_object_is_looked_at(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = ObjectStore.list_objects
    monkeypatch.setattr(ObjectStore, "list_objects",
                        lambda self, uri: (dataclasses.replace(found, etag="") for found in listing(self, uri)))  # fmt: skip
    seen, source = fetched(reader, monkeypatch), f"s3://{reader.store.bucket}/logs/"
    put(reader, "a.csv", "text,label\none,1\n")
    assert [reader.texts(source), reader.texts(source)] == [["one"], []]
    assert seen == ["a.csv", "a.csv"]


def test_a_local_file_is_opened_again_only_when_it_changed(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "TICK", timedelta(0))
    opened: list[str] = []
    monkeypatch.setattr(resuming, "open_bytes", lambda path: opened.append(path.name) or open_bytes(path))
    reader.write("a.csv", "text,label\none,1\n")
    assert [reader.texts("a.csv"), reader.texts("a.csv")] == [["one"], []]
    assert opened == ["a.csv"]
    before = (reader.base / "a.csv").stat()
    reader.write("a.csv", "text,label\ntwo,1\n")
    os.utime(reader.base / "a.csv", ns=(before.st_atime_ns, before.st_mtime_ns))  # even with the old file's time
    assert reader.texts("a.csv") == ["two"]


def test_a_file_that_changed_just_now_is_looked_at_again_since_clocks_are_coarse(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.write("a.csv", "text,label\none,1\n")
    assert reader.texts("a.csv") == ["one"]
    assert reader.cursor.positions[0].state is None
    monkeypatch.setattr(sources, "TICK", timedelta(0))
    assert reader.texts("a.csv") == []
    assert reader.cursor.positions[0].state is not None
