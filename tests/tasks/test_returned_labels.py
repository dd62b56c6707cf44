"""What becomes of a filled batch: checked, stored once, read by the next run, and what each row may be used for."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from errors import DataError, SpecError, StoreError
from flows.label import describe_labels
from infra.object_store import ObjectStore
from models.contracts import (
    BatchProgress,
    Cursor,
    LabelCount,
    LabelRequest,
    LabelsTaken,
    MonitoringReport,
    Reference,
    Release,
    Scores,
    Table,
    Window,
)
from models.data_sections import Columns, Data, Validation, Windowing
from models.recipe import Training
from models.row_schemas import raw_schema
from models.rows import Split, content_digest, split_of
from tasks.dataset import build_training_set, freeze_reference, save_table, take_baseline
from tasks.estimation import estimate_without_labels
from tasks.events import PROMOTED, emit_move, move, publication
from tasks.ingestion import ingest_window
from tasks.label_checks import canonical
from tasks.label_delivery import join_returned_labels
from tasks.label_sheets import write_csv, write_jsonl
from tasks.outputs import embeddings_of
from tasks.parting import part_rows
from tasks.returned_labels import take_labels
from tasks.tables import TableWriter, compares
from tasks.validation import validate_rows
from tests.infra.specs import spec_with
from tests.tasks.test_monitoring import KIND, LABELS, released, scores
from tests.tiny import kept_table, sentences, stored_scores

NOW = datetime(2026, 5, 1, tzinfo=UTC)
COLUMNS = ["label", "text", "id", "slice:shop", "predicted", "confidence", "chosen", "content"]


class Batch:
    """A request of 60 random and 15 unlike rows, and the sheet that a person fills."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.store, self.sheet, self.cursor = store, folder / "filled.csv", Cursor()
        self.rows = [
            {"label": None, "text": f"=1+1 {text}", "id": f"i{i}", "slice:shop": "north", "predicted": "positive",
             "confidence": 0.9, "chosen": "random" if i < 60 else "unlike", "content": content_digest(f"=1+1 {text}")}
            for i, text in enumerate(sentences(75)["text"])
        ]  # fmt: skip
        lines = folder / "batch.jsonl"
        write_jsonl(self.rows, COLUMNS, lines)
        stored = Table.of(store.put_blob("labelling", lines), rows=75)
        request = LabelRequest(
            csv=stored, jsonl=stored, local_csv="", random_rows=60, unlike_rows=15, power=0.5, drop=0.05, p_value=0.01,
            metric="accuracy",
        )  # fmt: skip
        store.put_bytes(store.keys.request("r1"), request.model_dump_json().encode())

    def fill(self, labels: dict[int, str], **columns: list[Any]) -> None:
        rows = [{**row, "label": labels.get(i)} for i, row in enumerate(self.rows)]
        for name, values in columns.items():
            rows = [{**row, name: value} for row, value in zip(rows, values, strict=True)]
        write_csv(rows, COLUMNS, self.sheet)

    def take(self) -> LabelsTaken:
        return take_labels(self.sheet, labels=LABELS, cursor=self.cursor, store=self.store)

    def join(self, window: Window | None = None, *, run: str = "r2", at_least: int = 1, new: bool = True) -> Window:
        """`new`: a champion was made with all that was read so far."""
        joined = join_returned_labels.fn(
            window or self.empty(), extra=("slice:shop",), adapted=self.cursor if new else Cursor(), at_least=at_least,
            run_id=run, store=self.store,
        )  # fmt: skip
        self.cursor = joined.cursor
        return joined

    def empty(self) -> Window:
        path = self.sheet.with_name("empty.parquet")
        with TableWriter(path, raw_schema(("slice:shop",))):
            pass
        nothing = Table.of(self.store.put_blob("windows", path), rows=0)
        return Window(table=nothing, first_at=None, last_at=None, cursor=self.cursor, waiting=True, read_at=NOW)


@pytest.fixture
def batch(store: ObjectStore, tmp_path: Path) -> Batch:
    return Batch(store, tmp_path)


def validated(window: Window, store: ObjectStore) -> Any:
    columns = Columns(text="text", label="label", slices=("shop",))
    return validate_rows.fn(window, columns=columns, kind=KIND, policy=Validation(), now=NOW, store=store)


def read(table: Table, store: ObjectStore) -> pd.DataFrame:
    return pd.read_parquet(store.get_file(table))


# --- taking ---


def test_labels_are_counted_and_what_is_open_is_told(batch: Batch) -> None:
    batch.fill({0: "positive", 1: "negative", 2: "positive", 70: "negative"})
    taken = batch.take()
    assert (taken.new, taken.corrected, taken.unchanged, taken.edited, taken.waiting) == (4, 0, 0, 0, 3)
    assert {c.label: c.rows for c in taken.by_label} == {"negative": 2, "positive": 2}
    assert [(b.run_id, b.rows, b.labelled, b.open) for b in taken.batches] == [("r1", 75, 4, 71)]


def test_a_file_taken_twice_changes_nothing(batch: Batch) -> None:
    batch.fill({0: "positive", 1: "negative"})
    first = batch.take()
    before = batch.store.list_keys("")
    again = batch.take()
    assert (again.new, again.unchanged, again.uri) == (0, 2, None)
    assert again.waiting == first.waiting == 2
    assert batch.store.list_keys("") == before


def test_more_labels_of_the_same_sheet_are_taken_alone(batch: Batch) -> None:
    batch.fill({0: "positive"})
    batch.take()
    batch.fill({0: "positive", 1: "negative"})
    assert (batch.take().new, len(batch.store.list_keys(batch.store.keys.labels))) == (1, 2)


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_stored(batch: Batch) -> None:
    rows = [{**row, "label": "positive"} for row in batch.rows[:6]]
    rows[0]["label"] = "postive"
    rows[1]["content"] = "0" * 32
    rows[2]["text"] = rows[3]["text"]
    rows.append({**rows[4], "label": "negative"})
    write_csv(rows, COLUMNS, batch.sheet)
    with batch.sheet.open("a") as file:
        file.write("positive,,,,,,,\n")
    with pytest.raises(DataError) as refused:
        batch.take()
    told = str(refused.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in told] == ["line 2", "line 3", "line 4", "line 8", "line 9"]
    for line, what in zip(told, ("'postive' is none of negative, positive", "in no batch", "another row",
                                 "'negative', but 'positive' in line 6", "without the row's `content`"), strict=True):  # fmt: skip
        assert what in line
    assert batch.store.list_keys(batch.store.keys.labels) == []


def test_who_hands_in_labels_at_the_same_moment_is_told_to_do_so_again_and_overwrites_nothing(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch.fill({0: "positive"})
    uri, listed = batch.take().uri, batch.store.list_keys
    before = batch.store.get_bytes(batch.store.key_of(uri or ""))
    batch.fill({1: "negative"})
    with monkeypatch.context() as patched, pytest.raises(StoreError, match="at this very moment; nothing of this file"):
        patched.setattr(
            batch.store, "list_keys",
            lambda prefix, **how: [] if prefix == batch.store.keys.labels else listed(prefix, **how),
        )  # fmt: skip
        batch.take()
    assert batch.store.get_bytes(batch.store.key_of(uri or "")) == before
    assert batch.take().new == 1


@pytest.mark.parametrize("deleted", [1, 2])
def test_labels_are_taken_and_are_new_where_somebody_deleted_an_earlier_delivery(batch: Batch, deleted: int) -> None:
    for row in range(2):
        batch.fill({row: "positive"})
        batch.take()
    batch.join()
    batch.store.delete(batch.store.keys.returned(deleted))
    batch.fill({2: "negative"})
    assert batch.take().uri == batch.store.uri(batch.store.keys.returned(3))
    kept = read(validated(batch.join(run="r3"), batch.store).kept, batch.store)
    assert kept[["id", "label", "chosen"]].to_numpy().tolist() == [["i2", "negative", "random"]]


def test_a_sheet_of_an_earlier_batch_is_taken_too(batch: Batch) -> None:
    later = {**batch.rows[0], "text": "a later one", "content": content_digest("a later one")}
    lines = batch.sheet.with_name("later.jsonl")
    write_jsonl([later], COLUMNS, lines)
    stored = Table.of(batch.store.put_blob("labelling", lines), rows=1)
    request = LabelRequest(csv=stored, jsonl=stored, local_csv="", random_rows=1, unlike_rows=0, power=0.5, drop=0.05,
                           p_value=0.01, metric="accuracy")  # fmt: skip
    for run in ("r0", "r2"):  # whichever is listed first
        batch.store.put_bytes(batch.store.keys.request(run), request.model_dump_json().encode())
    batch.fill({0: "positive", 1: "negative"})
    assert batch.take().new == 2


def test_a_file_that_is_none_or_lacks_the_columns_that_count_is_refused(batch: Batch) -> None:
    batch.sheet.write_text("text,label\na,positive\n")
    with pytest.raises(DataError, match="no column 'content'"):
        batch.take()
    batch.sheet.unlink()
    with pytest.raises(SpecError, match="is not a file; give the filled sheet"):
        batch.take()


def test_of_two_columns_of_labels_none_is_taken_for_the_one_that_people_filled(batch: Batch) -> None:
    batch.sheet.write_text(f"label,content,Label\n,c{batch.rows[0]['content']},positive\n")
    with pytest.raises(DataError, match="2 columns named 'label'; keep the one that counts"):
        batch.take()


def test_a_quote_that_never_closes_is_refused_with_its_line_and_swallows_no_labels_behind_it(batch: Batch) -> None:
    texts = ["a text", '"never closed', "another"]
    rows = [f"c{row['content']},positive,{text}" for row, text in zip(batch.rows, texts, strict=False)]
    batch.sheet.write_text("\n".join(["content,label,text", *rows]))
    with pytest.raises(DataError, match="line 3: no valid CSV"):
        batch.take()


def test_a_text_that_was_edited_comes_back_as_it_was_sent_out(batch: Batch) -> None:
    batch.fill({0: "positive", 1: "negative"}, text=["tampered", *(row["text"] for row in batch.rows[1:])])
    assert batch.take().edited == 1
    kept = read(validated(batch.join(), batch.store).kept, batch.store)
    assert list(kept["text"]) == [batch.rows[0]["text"], batch.rows[1]["text"]]
    assert list(kept["slice:shop"]) == ["north", "north"]


@pytest.mark.parametrize(
    ("cell", "labels", "meant"),
    [("1.0", ("0", "1"), "1"), ("TRUE", ("true", "false"), "true"), (" -1", ("-1", "1"), "-1"), ("A", ("a", "A"), "A"),
     ("Á", ("a", "b"), None), ("ja", ("JA", "Ja"), None), ("10", ("0", "1"), None), ("10.0", ("1", "10"), "10")],
)  # fmt: skip
def test_a_label_is_known_as_a_spreadsheet_writes_it(cell: str, labels: tuple[str, ...], meant: str | None) -> None:
    assert canonical(cell, labels) == meant


# --- the next run ---


def test_every_returned_row_is_kept_or_quarantined_and_read_once(batch: Batch) -> None:
    batch.fill(dict.fromkeys(range(75), "positive"))
    batch.take()
    window = batch.join()
    report = validated(window, batch.store)
    assert (window.waiting, window.rows, report.read, report.kept.rows) == (False, 75, 75, 75)
    assert batch.join(run="r3").waiting


def test_a_label_that_was_corrected_before_a_run_read_it_wins_and_measures(batch: Batch) -> None:
    batch.fill({0: "positive", 1: "positive"})
    batch.take()
    batch.fill({0: "negative", 1: "positive"})
    taken = batch.take()
    assert (taken.new, taken.corrected, taken.unchanged, taken.waiting) == (0, 1, 1, 2)
    report = validated(batch.join(), batch.store)
    kept = read(report.kept, batch.store)
    assert dict(zip(kept["id"], kept["label"], strict=True)) == {"i0": "negative", "i1": "positive"}
    assert set(kept["chosen"]) == {"random"}
    assert (report.kept.rows, report.quarantined.rows) == (2, 1)


def test_a_label_that_is_corrected_after_a_run_judged_by_it_teaches_and_does_not_measure(batch: Batch) -> None:
    batch.fill({0: "positive"})
    batch.take()
    batch.join()
    for label in ("negative", "positive", "negative"):
        batch.fill({0: label})
        taken = batch.take()
        assert (taken.corrected, taken.waiting) == (1, 0)
    assert batch.join(run="r3").waiting  # it goes with the next labels that measure, or with --force
    kept = read(validated(batch.join(run="r4", at_least=0), batch.store).kept, batch.store)
    assert list(kept[["label", "chosen"]].iloc[0]) == ["negative", "corrected"]


@pytest.mark.parametrize("new", [True, False])
def test_a_label_that_is_corrected_while_a_run_judges_by_it_teaches_and_does_not_measure_again(
    batch: Batch, new: bool
) -> None:
    """Who hands it in finds in no history yet that a run has read the first."""
    batch.fill({0: "positive"})
    batch.take()
    before = batch.cursor
    batch.join()
    after, batch.cursor = batch.cursor, before
    batch.fill({0: "negative", 1: "positive"})
    batch.take()
    batch.cursor = after
    assert batch.join(run="r3", at_least=2, new=new).waiting  # one of the two has measured
    kept = read(validated(batch.join(run="r4", new=new), batch.store).kept, batch.store)
    assert {i: (label, chosen) for i, label, chosen in kept[["id", "label", "chosen"]].itertuples(index=False)} == {
        "i0": ("negative", "corrected"), "i1": ("positive", "random"),
    }  # fmt: skip


def test_labels_of_which_no_champion_was_made_come_again_to_train_and_compare_and_do_not_judge_twice(
    batch: Batch, tmp_path: Path
) -> None:
    batch.fill({0: "positive", 1: "negative", 70: "positive"})
    batch.take()
    batch.join()
    assert batch.join(run="r3", new=False).waiting  # by themselves they are no reason to look again
    batch.fill({1: "positive", 2: "negative", 71: "negative"})
    batch.take()
    window = batch.join(run="r4", new=False)
    assert len(window.cursor.positions) == 2
    report = validated(window, batch.store)
    kept = read(report.kept, batch.store)
    assert {i: (label, chosen) for i, label, chosen in kept[["id", "label", "chosen"]].itertuples(index=False)} == {
        "i0": ("positive", "random, judged earlier"), "i1": ("positive", "corrected"), "i2": ("negative", "random"),
        "i70": ("positive", "unlike"), "i71": ("negative", "unlike"),
    }  # fmt: skip
    assert report.quarantined.rows == 1
    parts = part_rows.fn(report.kept, outputs(5, batch.store, tmp_path), store=batch.store)
    assert list(read(parts.measuring.rows, batch.store)["id"]) == ["i2"]
    assert [bool(c) for c in compares(kept.sort_values("id"))] == [True, False, True, False, False]


def test_few_labels_wait_for_more(batch: Batch) -> None:
    batch.fill(dict.fromkeys(range(40, 75), "positive"))  # 20 of them measure
    batch.take()
    assert batch.join(at_least=21).waiting
    assert batch.cursor == Cursor()
    assert batch.join(run="r3", at_least=20).rows == 35


def test_a_label_that_was_corrected_while_it_waited_is_one_label_to_wait_for(batch: Batch) -> None:
    for label in ("positive", "negative"):
        batch.fill(dict.fromkeys(range(20), label))
        assert batch.take().waiting == 20
    assert batch.join(at_least=21).waiting
    assert batch.join(run="r3", at_least=20).rows == 40


def test_rows_that_come_again_by_themselves_are_no_duplicates_of_what_came_back(batch: Batch, tmp_path: Path) -> None:
    batch.fill({0: "positive", 1: "negative"})
    batch.take()
    (tmp_path / "new.csv").write_text(
        "text,label,shop\n" + "".join(f"{row['text']},,south\n" for row in batch.rows[:3])
    )
    columns = Columns(text="text", label="label", slices=("shop",))
    window = ingest_window.fn(Data(sources=("new.csv",)), columns, Windowing(), Cursor(), run_id="r2",
                              base=str(tmp_path), store=batch.store)  # fmt: skip
    report = validated(batch.join(window), batch.store)
    kept = read(report.kept, batch.store)
    assert report.quarantined.rows == 0
    assert list(kept["row"]) == [0, 1, 2, 3, 4]
    assert list(kept["slice:shop"]) == ["south"] * 3 + ["north"] * 2
    assert list(kept["label"].fillna("")) == [
        "",
        "",
        "",
        "positive",
        "negative",
    ]  # what was asked for has rows of its own
    reference = freeze_reference.fn(report.kept, None, origin="o", store=batch.store)
    frozen = read(reference.table, batch.store)
    assert sorted(frozen["label"].fillna("")) == ["", "negative", "positive"]


# --- what a row may be used for ---


def chosen_rows(store: ObjectStore) -> Table:
    """400 labelled rows: 100 by themselves, 200 random, 100 unlike."""
    return kept_table(sentences(400).assign(chosen=[None] * 100 + ["random"] * 200 + ["unlike"] * 100), store)


def test_what_was_chosen_for_being_unlike_trains_and_is_never_sealed_nor_a_baseline(store: ObjectStore) -> None:
    kept = chosen_rows(store)
    built = build_training_set.fn(kept, None, training=Training(), seed=1, store=store)
    assert set(read(built.test, store)["chosen"].fillna("")) == {"", "random"}
    trained = read(built.train, store)
    assert (trained["chosen"] == "unlike").sum() > 40
    sealed = [split_of(c, validation_share=0.1, test_share=0.25) is Split.TEST for c in trained["content"]]
    assert not any(sealed)
    reference = freeze_reference.fn(kept, None, origin="o", store=store)
    assert "unlike" not in set(read(take_baseline.fn(reference, training=Training(), store=store), store)["chosen"])


def test_a_text_that_comes_again_unlabelled_keeps_its_label_in_the_reference(store: ObjectStore) -> None:
    first = freeze_reference.fn(kept_table(sentences(3).assign(chosen="unlike"), store), None, origin="a", store=store)
    again = kept_table(sentences(4).assign(label=None, chosen=None), store)
    frozen = read(freeze_reference.fn(again, first, origin="b", store=store).table, store)
    assert len(frozen) == 4
    assert list(frozen["label"].fillna("")) == ["positive", "negative", "positive", ""]
    assert list(frozen["chosen"].fillna("")) == ["unlike"] * 3 + [""]
    assert set(frozen["origin"]) == {"b"}


def test_a_reference_from_before_labels_were_asked_for_still_serves(store: ObjectStore) -> None:
    old = save_table(read(kept_table(sentences(40), store), store).assign(origin="a"), "reference", store)
    reference = Reference(table=old, newest_origin="a")
    assert take_baseline.fn(reference, training=Training(), store=store).rows > 0
    assert freeze_reference.fn(chosen_rows(store), reference, origin="b", store=store).table.rows == 400


def outputs(rows: int, store: ObjectStore, folder: Path) -> Scores:
    return stored_scores(np.tile([0.9, 0.1], (rows, 1)), np.arange(rows)[:, None], store, folder)


def test_quality_looks_at_all_but_the_unlike_and_drift_at_what_came_by_itself(
    store: ObjectStore, tmp_path: Path
) -> None:
    kept = chosen_rows(store)
    parts = part_rows.fn(kept, outputs(400, store, tmp_path), store=store)
    assert (parts.measuring.rows.rows, parts.fresh.rows.rows) == (300, 100)
    assert embeddings_of(parts.measuring.scores, store=store)[:, 0].tolist() == list(range(300))


@pytest.mark.parametrize(
    ("chosen", "measuring", "fresh", "labelled"),
    [(["random", "random", "unlike"], 2, 2, 2), (["unlike", "corrected", "unlike"], 3, 3, 0), ([None] * 3, 3, 3, 3)],
)
def test_without_rows_of_a_kind_the_next_best_are_looked_at(
    chosen: list[str | None], measuring: int, fresh: int, labelled: int, store: ObjectStore, tmp_path: Path
) -> None:
    parts = part_rows.fn(
        kept_table(sentences(3).assign(chosen=chosen), store), outputs(3, store, tmp_path), store=store
    )
    assert (parts.measuring.rows.rows, parts.fresh.rows.rows) == (measuring, fresh)
    assert read(parts.measuring.rows, store)["label"].notna().sum() == labelled


def test_a_text_that_came_back_and_came_labelled_measures_once(store: ObjectStore, tmp_path: Path) -> None:
    rows = pd.concat([sentences(2), sentences(2)], ignore_index=True).assign(chosen=[None, None, "random", "random"])
    parts = part_rows.fn(kept_table(rows, store), outputs(4, store, tmp_path), store=store)
    assert parts.measuring.rows.rows == 2


# --- estimates and events ---


def estimated(rows: pd.DataFrame, positive: np.ndarray, store: ObjectStore, folder: Path) -> MonitoringReport:
    blank = MonitoringReport(rows=len(rows), labelled=0, quality=(), confidence=0.8, confidence_at_release=0.8, shares=(),
                             latency_ms=None, served_agreement=None)  # fmt: skip
    sure = np.where(np.arange(200) % 2 == 0, 0.9, 0.1)
    sure[::10] = 1 - sure[::10]
    return estimate_without_labels.fn(
        blank, kept_table(rows, store), scores(positive, store, folder), kept_table(sentences(200), store),
        scores(sure, store, folder), kind=KIND, store=store,
    )  # fmt: skip


def test_estimates_are_scored_against_the_labels_on_the_same_rows(store: ObjectStore, tmp_path: Path) -> None:
    rows = sentences(300)
    rows.loc[100:, "label"] = None
    found = estimated(rows, np.full(300, 0.9), store, tmp_path).estimates
    assert [e.method for e in found] == ["CBPE", "ATC", "DoC"]
    for e in found:
        assert e.truth is not None
        assert (e.truth.value, e.truth.n, e.estimate.n) == (0.5, 100, 100)
        assert e.error == pytest.approx(0.4, abs=0.02)


def test_without_enough_labels_estimates_are_of_all_rows_and_unscored(store: ObjectStore, tmp_path: Path) -> None:
    rows = sentences(300)
    rows.loc[49:, "label"] = None
    assert [(e.truth, e.estimate.n) for e in estimated(rows, np.full(300, 0.9), store, tmp_path).estimates] == 3 * [
        (None, 300)
    ]


def test_of_several_labels_a_row_the_share_that_is_right_in_each_is_estimated(
    store: ObjectStore, tmp_path: Path
) -> None:
    kind = KIND.model_copy(update={"truth": "labels"})
    rows, blank = sentences(300).assign(label="positive"), estimated(sentences(300), np.full(300, 0.9), store, tmp_path)
    rows.loc[::3, "label"] = "[]"
    rows.loc[200:, "label"] = None
    sure, then = (
        np.where(np.arange(n)[:, None] < half, [0.05, 0.95], [0.4, 0.6]) for n, half in ((300, 150), (200, 100))
    )
    known = sentences(200).assign(label=["positive"] * 90 + ["[]"] * 10 + ["positive", "negative"] * 50)
    found = estimate_without_labels.fn(
        blank, kept_table(rows, store), stored_scores(sure, np.zeros((300, 2)), store, tmp_path), kept_table(known, store),
        stored_scores(then, np.zeros((200, 2)), store, tmp_path), kind=kind, store=store,
    ).estimates  # fmt: skip
    assert [(e.method, e.metric) for e in found] == [
        ("CBPE", "exact_match"),
        ("ATC", "exact_match"),
        ("DoC", "exact_match"),
    ]
    truth = found[0].truth
    assert truth is not None
    assert (truth.value, truth.n) == (pytest.approx(133 / 200), 200)
    assert found[0].estimate.value == pytest.approx(
        0.75 * 0.9 + 0.25 * 0.5, abs=0.01
    )  # sure and right in 9 of 10, unsure in 1 of 2


def test_a_promotion_has_the_same_id_however_often_it_is_told_and_outside_a_run_nothing_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.events.emit_event", lambda *args, **rest: pytest.fail("an event outside a run"))
    release = released(0.9, 400)
    emit_move(release, "promote")
    told, again = move(release, PROMOTED), move(release, PROMOTED)
    assert told.id == again.id
    later = release.model_copy(update={"entry": release.entry.model_copy(update={"run_id": "other"})})
    assert move(later, PROMOTED).id != told.id
    json.dumps(told.payload)


def test_what_a_run_tells_of_a_second_version_is_not_taken_for_what_it_told_of_the_first() -> None:
    """As where it was killed behind its release, taken up, and trained anew."""
    first = released(0.9, 400)
    manifest = first.manifest.model_copy(update={"version": first.version + 1})
    second = Release(manifest=manifest, entry=first.entry.model_copy(update={"version": manifest.version}))
    assert move(second, PROMOTED).id != move(first, PROMOTED).id
    assert publication(manifest, "run").id != publication(first.manifest, "run").id


def test_several_labels_are_taken_as_they_are_meant_and_unknown_ones_refused(batch: Batch) -> None:
    batch.fill({0: "positive | negative", 1: '["negative"]', 2: "[]"})
    taken = take_labels(batch.sheet, labels=LABELS, several=True, cursor=batch.cursor, store=batch.store)
    assert taken.new == 3
    assert {c.label: c.rows for c in taken.by_label} == {"negative": 2, "positive": 1}
    batch.fill({3: "positive|series"})
    with pytest.raises(DataError, match="is none of negative, positive"):
        take_labels(batch.sheet, labels=LABELS, several=True, cursor=batch.cursor, store=batch.store)


def test_what_people_wrote_is_not_guessed_from_an_old_code_page(batch: Batch) -> None:
    answers = {0: "这部电影很好", 1: "a fine film"}
    batch.fill(answers)
    batch.sheet.write_bytes(batch.sheet.read_text("utf-8-sig").encode("gbk"))
    with pytest.raises(DataError, match=r"line 2: .* is not UTF-8"):
        take_labels(batch.sheet, labels=(), cursor=batch.cursor, store=batch.store)
    assert batch.store.list_keys(batch.store.keys.labels) == []
    batch.fill({1: answers[1]}, text=["Größe", *(row["text"] for row in batch.rows[1:])])
    batch.sheet.write_bytes(batch.sheet.read_text("utf-8-sig").encode("cp1252"))
    assert take_labels(batch.sheet, labels=(), cursor=batch.cursor, store=batch.store).new == 1


def test_what_was_taken_of_one_row_is_told_of_one_row() -> None:
    one = LabelsTaken(uri="s3://b/k", new=1, corrected=0, unchanged=0, edited=1, by_label=(LabelCount(label="positive", rows=1),),
                      batches=(BatchProgress(run_id="r", rows=1, labelled=1),), waiting=1)  # fmt: skip
    told = describe_labels(one, spec_with(), spec_path=Path("spec.yaml"))
    assert told[0] == "1 label: 1 positive"
    assert told[2:4] == [
        "  batch r: 1 row, 1 labelled, 0 open",
        "  the text of 1 row was edited in the file; the text that was sent out holds",
    ]
    assert told[4].startswith(
        "next: 1 label to measure by; with 49 more (policy.min_labels = 50) `upkeep run spec.yaml` tests"
    )


def test_a_sheet_that_nobody_has_filled_in_is_told_to_be_filled_in() -> None:
    counts = tuple(LabelCount(label=label, rows=0) for label in LABELS)
    empty = LabelsTaken(uri=None, new=0, corrected=0, unchanged=0, edited=0, by_label=counts, batches=(), waiting=0)
    told = describe_labels(empty, spec_with(), spec_path=Path("spec.yaml"))
    assert told == ["no row of the file has a label; fill `label`, in one row or more, and give it again"]
