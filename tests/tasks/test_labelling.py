"""The batch that people are asked to label: which rows, and what it promises."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.object_store import ObjectStore
from models.contracts import (
    Cursor,
    DriftReport,
    Evidence,
    LabelRequest,
    ModelKind,
    MonitoringReport,
    Observation,
    Scores,
    Table,
    UnlikeRow,
    ValidationReport,
    Window,
)  # fmt: skip
from models.gate_kinds import Better
from models.recipe import Training
from models.rows import Split, split_of
from models.sections import Policy
from tasks.label_sheets import guarded, read_filled, unguarded
from tasks.labelling import request_labels
from tasks.metrics.drawing import draw_in_proportion
from tests.judged import FILE, NOW, QUIET
from tests.tasks.test_chosen import evidence, gained
from tests.tasks.test_monitoring import LABELS, released
from tests.tiny import kept_table, sentences, stored_scores

TRAINING = Training()


def scored(embeddings: np.ndarray, store: ObjectStore, folder: Path) -> Scores:
    positive = np.where(np.arange(len(embeddings)) % 4 == 0, 0.9, 0.2)
    return stored_scores(np.stack([1 - positive, positive], 1), embeddings, store, folder)


def observed(rows: pd.DataFrame, embeddings: np.ndarray, store: ObjectStore, folder: Path) -> Observation:
    nothing = Table(uri="", sha256="", bytes=0, rows=0)
    return Observation(
        window=Window(table=nothing, first_at=None, last_at=None, cursor=Cursor(), waiting=False, read_at=NOW),
        validation=ValidationReport(kept=kept_table(rows, store), quarantined=nothing, reasons=(),
                                    labelled=int(rows.label.notna().sum()), notes=()),
        scores=scored(embeddings, store, folder),
        monitoring=MonitoringReport(rows=len(rows), labelled=0, quality=(), confidence=0.9, confidence_at_release=0.9,
                                    shares=(), latency_ms=None, served_agreement=None),
        drift=DriftReport(signals=(), alpha=0.01, correction="", reference_rows=1, current_rows=1, compared_rows=1,
                          evidently_html=FILE, evidently_share=0, notes=(),
                          evidently_default=QUIET, evidently_snapshot=FILE),
        baseline_scores=scored(np.tile([1.0, 0.0], (50, 1)), store, folder),
    )  # fmt: skip


def window(count: int, *, unusual: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Unlabelled rows; the last ones point elsewhere than the reference."""
    embeddings = np.tile([1.0, 0.0], (count, 1)).astype(np.float32)
    embeddings[count - unusual :] = [0.0, 1.0]
    return sentences(count).assign(label=None), embeddings


def requested(
    seen: Observation, store: ObjectStore, home: Path, *, wanted: int = 100, why: Evidence | None = None
) -> LabelRequest:
    kind = ModelKind(task="text-classification", labels=LABELS, max_tokens=16, seed=3)
    return request_labels.fn(
        seen, released(0.9, 400), evidence=why, kind=kind, training=TRAINING, policy=Policy(labels_wanted=wanted), level=0.01,
        run_id="r1", home=home, store=store,
    )  # fmt: skip


def rows_of(request: LabelRequest) -> list[dict[str, str]]:
    with Path(request.local_csv).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_most_rows_are_random_and_the_rest_are_the_most_unlike_among_those_that_may_train(
    store: ObjectStore, tmp_path: Path
) -> None:
    rows, embeddings = window(1000, unusual=60)
    request = requested(observed(rows, embeddings, store, tmp_path), store, tmp_path)
    batch = rows_of(request)
    assert (request.random_rows, request.unlike_rows) == (80, 20)
    assert [row["chosen"] for row in batch] == 80 * ["random"] + 20 * ["unlike"]
    unlike = [row for row in batch if row["chosen"] == "unlike"]
    assert {row["text"] for row in unlike} <= set(rows.text[-60:])
    splits = {split_of(row["content"][1:], validation_share=0.1, test_share=0.25) for row in unlike}
    assert Split.TEST not in splits
    assert Counter(row["predicted"] for row in batch[:80]) == {"positive": 20, "negative": 60}
    assert len({row["content"] for row in batch}) == 100
    assert 0 < request.power < 1


def test_labels_promise_less_behind_a_narrow_release_whose_luck_the_test_takes_off(
    store: ObjectStore, tmp_path: Path
) -> None:
    rows, embeddings = window(1000)
    seen, narrow, far = observed(rows, embeddings, store, tmp_path), gained(18), gained(70, discordant=90)
    first, lucky, sure = (
        requested(seen, store, tmp_path, wanted=500, why=why).power
        for why in (None, evidence(Better(), compared=narrow), evidence(Better(), compared=far))
    )
    assert lucky < 0.7 * first
    assert sure == first


def test_rows_that_the_drift_report_names_come_first(store: ObjectStore, tmp_path: Path) -> None:
    rows, embeddings = window(1000, unusual=60)
    seen = observed(rows, embeddings, store, tmp_path)
    named = tuple(UnlikeRow(row=row, text="", distance=1, beyond=1) for row in range(300))
    seen = seen.model_copy(update={"drift": seen.drift.model_copy(update={"unlike": named})})
    batch = rows_of(requested(seen, store, tmp_path))
    assert {row["text"] for row in batch[80:]} <= set(rows.text[:300])


def test_of_a_small_window_all_unlabelled_rows_are_asked_for_and_all_measure(
    store: ObjectStore, tmp_path: Path
) -> None:
    rows, embeddings = window(60, unusual=10)
    rows.loc[:9, "label"] = "positive"
    request = requested(observed(rows, embeddings, store, tmp_path), store, tmp_path)
    assert (request.random_rows, request.unlike_rows) == (50, 0)
    assert {row["text"] for row in rows_of(request)} == set(rows.text[10:])


def test_both_files_say_the_same_and_a_second_asking_changes_neither(store: ObjectStore, tmp_path: Path) -> None:
    rows, embeddings = window(300, unusual=30)
    rows["text"] = "=1+1 " + rows["text"]
    seen = observed(rows, embeddings, store, tmp_path)
    request = requested(seen, store, tmp_path / "a")
    lines = [json.loads(line) for line in store.get_file(request.jsonl).read_text().splitlines()]
    assert [row["text"] for row in rows_of(request)] == ["'" + line["text"] for line in lines]
    assert all(line["label"] is None for line in lines)
    assert store.get_file(request.csv).read_bytes() == Path(request.local_csv).read_bytes()
    elsewhere = requested(seen, store, tmp_path / "b")
    assert (elsewhere.csv, elsewhere.jsonl) == (request.csv, request.jsonl)


def test_what_helps_to_judge_is_in_the_sheet_where_the_spec_has_it(store: ObjectStore, tmp_path: Path) -> None:
    rows, embeddings = window(60)
    rows["slice:shop"] = "north"
    batch = rows_of(requested(observed(rows, embeddings, store, tmp_path), store, tmp_path))
    assert list(batch[0]) == ["label", "text", "slice:shop", "predicted", "confidence", "chosen", "content"]


@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.lists(st.sampled_from("aab c"), min_size=60, max_size=90))
def test_a_draw_holds_each_label_to_within_a_row_of_its_share(wanted: int, seed: int, predicted: list[str]) -> None:
    drawn = draw_in_proportion(np.array(predicted), wanted, np.random.default_rng(seed))
    assert len(set(drawn.tolist())) == wanted
    for label, count in Counter(predicted).items():
        assert abs(sum(predicted[i] == label for i in drawn) - wanted * count / len(predicted)) <= 1 + 1e-9


def test_every_row_has_the_same_chance_also_one_of_a_rare_label() -> None:
    predicted = np.array(["common"] * 97 + ["rare"] * 3)
    counts = np.zeros(100)
    for seed in range(4000):
        counts[draw_in_proportion(predicted, 10, np.random.default_rng(seed))] += 1
    assert counts.sum() == 40_000
    assert abs(counts / 4000 - 0.1).max() < 0.025  # five standard errors


# --- the sheet ---


CELLS = st.text(alphabet=st.sampled_from("'=+-@\t\r\n＝a ,;\""), max_size=6)


@given(CELLS)
def test_no_cell_runs_and_every_cell_comes_back(cell: str) -> None:
    assert not guarded(cell).startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    assert unguarded(guarded(cell)) == cell


HEADER = ["label", "text", "content", "note"]
ROWS = [["positive", '\'=1+1 good, very; "so"', "c" + "1" * 32, "x"], ["", "zwei\nZeilen ü", "c" + "2" * 32, ""]]


def sheet(separator: str, end: str) -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    return "".join(separator.join(map(cell, row)) + end for row in [HEADER, *ROWS])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("plain.csv", sheet(",", "\n").encode()),
        ("excel.csv", sheet(";", "\r\n").encode("utf-8-sig")),
        ("hint.csv", ("sep=;\r\n" + sheet(";", "\r\n")).encode()),
        ("unicode.txt", sheet("\t", "\r\n").encode("utf-16")),
        ("ansi.csv", sheet(";", "\r\n").encode("cp1252")),
    ],
)
def test_a_sheet_comes_back_from_any_spreadsheet(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    first, second = read_filled(tmp_path / name)
    assert (first.label, first.content, first.text) == ("positive", "1" * 32, '=1+1 good, very; "so"')
    assert (second.label, second.content) == ("", "2" * 32)
    assert second.text is not None
    assert second.text.replace("\r\n", "\n") == "zwei\nZeilen ü"
    assert second.line == first.line + 1


def test_json_lines_come_back_with_labels_of_any_kind(tmp_path: Path) -> None:
    documents: list[dict[str, Any]] = [{"content": "c" + "1" * 32, "label": 1}, {"content": "2" * 32, "label": None}]
    (tmp_path / "a.jsonl").write_text("\n\n".join(map(json.dumps, documents)) + "\n")
    found = read_filled(tmp_path / "a.jsonl")
    assert [(row.line, row.content, row.label) for row in found] == [(1, "1" * 32, "1"), (3, "2" * 32, "")]
