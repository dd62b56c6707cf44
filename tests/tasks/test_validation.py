"""What validation promises: each row in exactly one place, with a reason that a person can act on."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tasks.sieve
from errors import TooManyBadRows
from infra.object_store import ObjectStore
from models.contracts import Cursor, ModelKind, Table, ValidationReport, Window
from models.data_sections import Columns, Data, Validation, Windowing
from models.row_schemas import raw_schema
from models.rows import ITSELF
from tasks.ingestion import ingest_window
from tasks.metrics.similarity import NearDuplicates
from tasks.validation import validate_rows

NOW = datetime(2024, 5, 1, tzinfo=UTC)
COLUMNS = Columns(text="text", label="label", slices=("lang",))
LENIENT = Validation(max_bad_share=1, max_duplicate_share=1)
LONG = " ".join(f"word{i}" for i in range(60))
Row = dict[str, Any]


def window_of(store: ObjectStore, rows: list[Row]) -> Window:
    full = [{"text": f"text {i}", "row": i, "source": "a.csv", "line": i + 2} | row for i, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "w.parquet")
        pq.write_table(pa.Table.from_pylist(full, schema=raw_schema(tuple(COLUMNS.extra))), path)
        table = Table.of(store.put_blob("windows", path), rows=len(rows))
    return Window(table=table, first_at=None, last_at=None, cursor=Cursor(), waiting=False, read_at=NOW)


def kind_of(labels: tuple[str, ...]) -> ModelKind:
    return ModelKind(task="text-classification", labels=labels, max_tokens=16, seed=1)


def validate(store: ObjectStore, *rows: Row, policy: Validation = LENIENT, labels: tuple[str, ...] = ("neg", "pos"),
             ) -> ValidationReport:  # fmt: skip
    window = window_of(store, list(rows))
    report: ValidationReport = validate_rows.fn(
        window, columns=COLUMNS, kind=kind_of(labels), policy=policy, now=NOW, store=store
    )
    assert report.read == len(rows)
    return report


def read(store: ObjectStore, table: Table) -> list[Row]:
    rows: list[Row] = pq.read_table(store.get_file(table)).to_pylist()
    assert len(rows) == table.rows
    return rows


@pytest.mark.parametrize(
    ("row", "reason", "example"),
    [
        ({"text": None, "problem": "3 fields, the header has 2", "raw": "a,b,c"}, "unreadable", "3 fields"),
        ({"text": None, "problem": "broken UTF-8", "raw": "bad \\xff"}, "broken UTF-8", "xff"),
        ({"text": None}, "missing text", "no text"),
        ({"text": " \t "}, "empty text", "white space"),
        ({"text": ""}, "empty text", "white space"),
        ({"text": "x" * 20_001}, "over-long text", "20001 characters; validation.max_chars is 20000"),
        ({"label": "postive"}, "unknown label", "'postive'; accepted: neg, pos"),
        ({"score": "high"}, "score is no number", "'high'"),
        ({"score": "NaN"}, "score is no number", "'NaN'"),
        ({"score": "1.2"}, "score out of range", "1.2 is not 0 to 1"),
        ({"latency": "-3"}, "latency out of range", "-3 is not 0 or more"),
        ({"latency": "inf"}, "latency is no number", "'inf'"),
        ({"timestamp": "yesterday"}, "unreadable timestamp", "'yesterday' is neither ISO 8601 nor Unix time"),
        ({"timestamp": "20240501120000"}, "unreadable timestamp", "with a T between date and time"),
        ({"timestamp": "2019-12-31"}, "timestamp too early", "before 2020-01-01"),
        ({"timestamp": "2024-05-03"}, "timestamp in the future", "more than 1d ahead"),
        ({"text": "THE  first"}, "exact duplicate", "repeats a.csv:2"),
    ],
)
def test_a_bad_row_is_quarantined_with_its_reason_and_nothing_else(
    store: ObjectStore, row: Row, reason: str, example: str
) -> None:
    policy = LENIENT.model_copy(update={"earliest": "2020-01-01"})
    report = validate(store, {"text": "the first"}, row, {"text": "the last"}, policy=policy)
    (found,) = report.reasons
    assert (found.reason, found.rows) == (reason, 1)
    assert found.example.startswith("a.csv:3: ") and example in found.example
    assert [r["text"] for r in read(store, report.kept)] == ["the first", "the last"]
    (bad,) = read(store, report.quarantined)
    assert bad["line"] == 3 and bad["reason"].startswith(reason)


def test_a_good_row_is_kept_typed_and_whole(store: ObjectStore) -> None:
    report = validate(store, {"text": "Fine ", "label": " pos", "id": "7", "timestamp": "1714521600", "score": "0.5",
                              "latency": "12", "prediction": "neg", "slice:lang": "de"})  # fmt: skip
    (row,) = read(store, report.kept)
    assert row["text"] == "Fine " and row["label"] == "pos" and row["slice:lang"] == "de"
    assert row["timestamp"] == NOW and row["score"] == 0.5 and row["latency"] == 12.0 and len(row["content"]) == 32


@pytest.mark.parametrize(
    "row",
    [{"text": "x" * 20_000}, {"score": "0"}, {"score": "1"}, {"latency": "0"}, {"timestamp": "2020-01-01"},
     {"timestamp": "2024-05-02"}],
)  # fmt: skip
def test_a_row_at_a_limit_is_kept(store: ObjectStore, row: Row) -> None:
    policy = LENIENT.model_copy(update={"earliest": "2020-01-01", "future": "1d"})
    assert validate(store, row, policy=policy).kept.rows == 1


def test_an_answer_that_is_longer_than_a_text_may_be_is_quarantined(store: ObjectStore) -> None:
    report: ValidationReport = validate_rows.fn(
        window_of(store, [{"label": "x" * 20_000}, {"label": "x" * 20_001}]), columns=COLUMNS,
        kind=kind_of(()).model_copy(update={"task": "seq2seq", "truth": "answer"}), policy=LENIENT, now=NOW, store=store,
    )  # fmt: skip
    assert (report.kept.rows, report.labelled) == (1, 1)
    assert [(r.reason, r.rows) for r in report.reasons] == [("over-long answer", 1)]


def test_a_line_that_is_still_being_written_is_told_of(store: ObjectStore) -> None:
    window = window_of(store, [{}]).model_copy(update={"unfinished": ("log.jsonl",)})
    report: ValidationReport = validate_rows.fn(
        window, columns=COLUMNS, kind=kind_of(("neg", "pos")), policy=LENIENT, now=NOW, store=store
    )
    assert report.notes == ("the last line of log.jsonl is still being written: it was left for the next run",)


def test_blank_fields_are_unknown_and_not_wrong(store: ObjectStore) -> None:
    report = validate(store, {"label": " ", "score": "", "latency": " ", "timestamp": ""}, {"label": "pos"})
    assert report.kept.rows == 2 and report.labelled == 1
    assert read(store, report.kept)[0]["label"] is None


def test_a_blank_cell_is_as_unknown_as_a_null_whatever_its_column_is_for(store: ObjectStore) -> None:
    report = validate(store, {"slice:lang": " ", "prediction": "", "id": ""}, {})
    assert [[row[name] for name in ("slice:lang", "prediction", "id")] for row in read(store, report.kept)] == 2 * [
        [None] * 3
    ]


def test_numeric_labels_survive_pandas(store: ObjectStore) -> None:
    report = validate(store, {"label": "1"}, {"label": "1.0"}, {"label": "0.0"}, {"label": "1.5"}, {"label": "7.0"},
                      labels=("0", "1"))  # fmt: skip
    assert [r["label"] for r in read(store, report.kept)] == ["1", "1", "0"]
    assert (report.reasons[0].reason, report.reasons[0].rows) == ("unknown label", 2)


def test_duplicates_that_disagree_on_the_label_say_so(store: ObjectStore) -> None:
    report = validate(store, {"text": "same", "label": "pos"}, {"text": "Same", "label": "neg"})
    assert "with another label: 'pos' there, 'neg' here" in report.reasons[0].example


def test_a_label_that_comes_behind_its_text_is_given_to_it_and_nothing_that_was_served_is_lost(
    store: ObjectStore,
) -> None:
    served = {"text": "a film", "prediction": "pos", "score": "0.9"}
    strict = Validation(max_bad_share=0, max_duplicate_share=0)
    report = validate(store, served, {"text": "another"}, {"text": "a film", "label": "neg"}, policy=strict)
    film, other = read(store, report.kept)
    assert (film["label"], film["prediction"], film["score"], other["label"]) == ("neg", "pos", 0.9, None)
    assert report.labelled == 1
    (reason,) = report.reasons
    assert reason.reason == "label given to an earlier row"
    assert "a.csv:4: repeats a.csv:2" in reason.example


def test_of_several_late_labels_the_first_that_the_spec_knows_counts_and_the_others_are_repetitions(
    store: ObjectStore,
) -> None:
    late = [{"text": "a film", "label": label} for label in ("strange", "pos", "pos", "neg")]
    report = validate(store, {"text": "a film"}, *late)
    (row,) = read(store, report.kept)
    assert row["label"] == "pos"
    assert {r.reason: r.rows for r in report.reasons} == {
        "exact duplicate": 2, "label given to an earlier row": 1, "unknown label": 1}  # fmt: skip


def test_no_row_is_told_to_have_given_a_label_that_it_does_not_have_or_that_nobody_needed(store: ObjectStore) -> None:
    rows: list[Row] = [
        {"text": "a film"}, {"text": "A film"}, {"text": "a film", "label": "pos"}, {"text": "a film"},
        {"text": "a book", "label": "strange"}, {"text": "a book", "label": "pos"}, {"text": "a book", "label": "pos"},
    ]  # fmt: skip
    told = {row["line"]: row["reason"] for row in read(store, validate(store, *rows).quarantined)}
    assert told[4] == "label given to an earlier row: repeats a.csv:2"
    assert [told[line] for line in (3, 5, 8)] == [f"exact duplicate: repeats a.csv:{line}" for line in (2, 2, 7)]


def test_a_late_label_stands_alone_where_the_row_before_it_cannot_be_kept(store: ObjectStore) -> None:
    report = validate(
        store, {"text": "a film", "score": "high"}, {"text": "a film", "label": "pos"}, {"text": "a film"}
    )
    (row,) = read(store, report.kept)
    assert (row["label"], row["line"]) == ("pos", 3)


def test_a_text_that_a_model_is_to_learn_to_write_is_its_own_label(store: ObjectStore) -> None:
    report: ValidationReport = validate_rows.fn(
        window_of(store, [{"text": "a film"}, {"text": "a book", "label": "pos"}, {"text": "a film"}]), columns=COLUMNS,
        kind=kind_of(()).model_copy(update={"task": "causal-lm", "truth": "text"}), policy=LENIENT, now=NOW, store=store,
    )  # fmt: skip
    assert [row["label"] for row in read(store, report.kept)] == [ITSELF, ITSELF]
    assert report.labelled == 2
    assert [(r.reason, r.rows) for r in report.reasons] == [("exact duplicate", 1)]


def test_near_duplicates_are_found_above_the_threshold_only(store: ObjectStore) -> None:
    half = " ".join(LONG.split()[:30]) + " " + " ".join(f"other{i}" for i in range(30))
    report = validate(store, {"text": LONG}, {"text": half}, {"text": LONG + " more"})
    (found,) = report.reasons
    assert found.reason == "near duplicate" and "nearly repeats a.csv:2" in found.example
    assert report.kept.rows == 2
    off = LENIENT.model_copy(update={"near_duplicates": None})
    assert validate(store, {"text": LONG}, {"text": LONG + " more"}, policy=off).kept.rows == 2


def test_short_texts_repeat_exactly_or_not_at_all(store: ObjectStore) -> None:
    report = validate(store, {"text": "not bad at all"}, {"text": "not bad at  All"}, {"text": "not good at all"})
    assert report.kept.rows == 2 and report.reasons[0].reason == "exact duplicate"


def test_a_quarantined_row_does_not_shadow_a_good_one(store: ObjectStore) -> None:
    report = validate(store, {"text": LONG, "label": "wrong"}, {"text": LONG, "label": "pos"})
    assert report.kept.rows == 1 and report.labelled == 1


def test_the_end_of_a_very_large_window_is_noted(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.sieve, "NEAR_ROWS", 2)
    report = validate(store, {"text": "x"}, {"text": LONG}, {"text": LONG + " more"}, {"text": LONG})
    assert report.kept.rows == 3 and "first 2 of 4" in report.notes[0]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9, 1.0])
def test_no_pair_above_the_threshold_is_missed(threshold: float) -> None:
    index = NearDuplicates(threshold)
    for i in range(50):
        text = " ".join(f"w{i}x{j}" for j in range(100))
        assert index.find_or_add(i, text) is None
        changed = text if threshold == 1 else text + " end"
        assert index.find_or_add(-1, changed) == i


# --- when it is too much ---


def test_too_many_bad_rows_stop_the_run_and_only_the_quarantine_is_written(store: ObjectStore) -> None:
    rows: list[Row] = [{}, {"text": None}, {"label": "what"}, {"label": "what"}]
    with pytest.raises(TooManyBadRows) as refusal:
        validate(store, *rows, policy=Validation(max_bad_share=0.5))
    message = str(refusal.value)
    assert "3 of 4 rows (75.0%) are broken; validation.max_bad_share allows 50.0%" in message
    assert "unknown label (2 rows, e.g. a.csv:4: 'what'; accepted: neg, pos)" in message
    (key,) = store.list_keys("blobs/quarantine/")
    assert store.uri(key) in message and "raise validation.max_bad_share" in message
    assert store.list_keys("blobs/kept/") == [] and store.list_keys("stages/") == []


def test_a_share_at_the_limit_passes(store: ObjectStore) -> None:
    assert validate(store, {}, {"text": None}, policy=Validation(max_bad_share=0.5)).kept.rows == 1


def test_too_many_duplicates_stop_the_run_on_their_own_limit(store: ObjectStore) -> None:
    rows: list[Row] = [{"text": "same"}] * 4
    with pytest.raises(TooManyBadRows, match=r"3 of 4 rows .*duplicates; validation.max_duplicate_share allows 50"):
        validate(store, *rows, policy=Validation(max_bad_share=0))


def test_an_empty_window_is_fine(store: ObjectStore) -> None:
    report = validate(store)
    assert (report.read, report.labelled, report.reasons, report.notes) == (0, 0, (), ())


# --- whatever comes ---

_PIECES = st.sampled_from([
    b"text", b"good", b"pos", b",", b"\n", b"\r\n", b"\r", b'"', b"\0", b"\xff", b"\xc3", b"\xf0\x9f\x98\x80",
    b"{", b"}", b'{"text": "a"}\n', b"1e999", b" ",
])  # fmt: skip


@pytest.mark.parametrize("name", ["g.csv", "g.jsonl"])
def test_whatever_bytes_come_kept_and_quarantined_are_what_was_read(store: ObjectStore, name: str) -> None:
    columns = Columns(text="text", label="label")

    @settings(max_examples=35, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.one_of(_PIECES, st.binary(max_size=6)), max_size=40))
    def holds(pieces: list[bytes]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            head = b"text,label\n" if name == "g.csv" else b'{"text": "a"}\n'
            Path(folder, name).write_bytes(head + b"".join(pieces))
            window = ingest_window.fn(Data(sources=(name,)), columns, Windowing(), Cursor(), run_id=folder,
                                      base=folder, store=store)  # fmt: skip
            report = validate_rows.fn(window, columns=columns, kind=kind_of(("neg", "pos")), policy=LENIENT, now=NOW,
                                      store=store)  # fmt: skip
        assert report.kept.rows + report.quarantined.rows == window.rows
        rows = read(store, report.kept) + read(store, report.quarantined)
        assert sorted(r["row"] for r in rows) == list(range(window.rows))
        assert sum(r.rows for r in report.reasons) == report.quarantined.rows

    holds()


def test_a_label_on_many_rows_is_a_new_class_and_stops_no_run(store: ObjectStore) -> None:
    rows: list[Row] = [{"text": f"text {i}", "label": "neutral" if i < 30 else "pos"} for i in range(100)]
    rows.append({"text": "slip", "label": "pso"})
    report = validate(store, *rows, policy=Validation(near_duplicates=None))
    assert [(c.label, c.rows) for c in report.new_classes] == [("neutral", 30)]
    assert report.kept.rows == 70
    with pytest.raises(TooManyBadRows, match="unknown label"):
        validate(store, *rows, policy=Validation(near_duplicates=None, new_class_rows=31))


def test_several_labels_are_kept_in_the_specs_order_and_an_unknown_one_among_them_is_named(store: ObjectStore) -> None:
    cells = ["pos|neg", '["pos"]', "[]", "", "pos|new", "[pos"]
    report: ValidationReport = validate_rows.fn(
        window_of(store, [{"label": cell, "text": f"text {i} {i}"} for i, cell in enumerate(cells)]), columns=COLUMNS,
        kind=kind_of(("neg", "pos")).model_copy(update={"truth": "labels"}), policy=LENIENT, now=NOW, store=store,
    )  # fmt: skip
    assert [row["label"] for row in read(store, report.kept)] == ["neg|pos", "pos", "[]", None]
    assert report.labelled == 3
    assert [(r.reason, r.rows) for r in report.reasons] == [("unknown label", 2)]
    assert "'new' in 'pos|new'; accepted, with | between: neg, pos" in report.reasons[0].example
