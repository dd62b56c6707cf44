from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evidently.core.report import Snapshot

from errors import DataError
from infra.object_store import ObjectStore
from models.adapter import Predictions
from models.contracts import Artifact, DriftReport, DriftSignal, ModelKind, Reference, Scored, Scores
from models.recipe import Training
from models.sections import Drift
from tasks.answers import REQUEST_LATENCY
from tasks.drift import detect_drift
from tasks.evidently_report import shown, write_evidently
from tasks.score_files import write_scores
from tasks.sides import UNKNOWN, Side
from tasks.signals import find_signals
from tests.tiny import kept_table, sentences

LABELS = ("negative", "positive")
KIND = ModelKind(task="text-classification", labels=LABELS, max_tokens=16, seed=3)


def scored(count: int, seed: int, store: ObjectStore, folder: Path, *, moved: float = 0.0) -> Scores:
    rng = np.random.default_rng(seed)
    positive = rng.random(count).astype(np.float32)
    path = folder / f"{seed}.arrow"
    embeddings = (rng.normal(size=(count, 8)) + moved).astype(np.float32)
    write_scores(path, [Predictions(np.stack([1 - positive, positive], 1), embeddings)])
    arrays = Artifact.model_validate(store.put_blob("scores", path))
    return Scores(model_digest="m", arrays=arrays, rows=count, seconds=0, device="cpu")


def detected(
    then: pd.DataFrame, now: pd.DataFrame, store: ObjectStore, folder: Path, *, trained: pd.DataFrame | None = None,
    moved: float = 0.0, alpha: float = 0.001,
) -> DriftReport:  # fmt: skip
    current = Scored(rows=kept_table(now, store), scores=scored(len(now), 2, store, folder, moved=moved))
    baseline = Scored(rows=kept_table(then, store), scores=scored(len(then), 1, store, folder))
    reference = kept_table(sentences(300, start=9000) if trained is None else trained, store)
    return detect_drift.fn(
        current, baseline, Reference(table=reference, newest_origin="w"), kind=KIND, alpha=alpha, policy=Drift(max_rows=100), training=Training(), store=store,
    )  # fmt: skip


def test_the_report_reaches_the_store_with_evidentlys_page_and_the_same_p_values(
    store: ObjectStore, tmp_path: Path
) -> None:
    then, now = sentences(120), sentences(300, start=500, noun="entirely different refrigerator")
    now.loc[::3, "label"] = None
    found = detected(then, now, store, tmp_path)
    assert found.drifted
    assert (found.reference_rows, found.current_rows, found.compared_rows) == (120, 300, 300)
    assert "sample of at most 100 rows a side" in " ".join(found.notes)
    assert b"<html" in store.get_file(found.evidently_html).read_bytes()[:2000].lower()
    metrics = Snapshot.loads(store.get_file(found.evidently_snapshot).read_text()).dict()["metrics"]
    by_column = {m["config"]["column"]: m for m in metrics if m["metric_name"].startswith("DrawnDrift")}
    assert "label" in by_column
    for signal in found.signals:
        if signal.name in by_column:
            theirs = by_column[signal.name]
            assert theirs["config"]["threshold"] == signal.threshold
            assert theirs["value"] == pytest.approx(signal.p_value, rel=1e-6, abs=1e-300), signal.name
    drifted = sum(m["value"] < m["config"]["threshold"] for m in by_column.values())
    assert found.evidently_share == pytest.approx(drifted / len(by_column))
    embedding = next(s for s in found.signals if s.family == "embedding")
    recorded = {m["config"]["title"]: m["value"] for m in metrics if "Recorded" in m["metric_name"]}
    assert recorded == {f"embeddings: p-value ({embedding.method})": embedding.p_value,
                        f"embeddings: AUC ({embedding.method})": embedding.effect}  # fmt: skip


def test_a_drifted_window_names_its_telling_words_and_its_most_unlike_rows(store: ObjectStore, tmp_path: Path) -> None:
    now = sentences(300, start=500, noun="entirely different refrigerator")
    found = detected(sentences(120), now, store, tmp_path)
    assert {"refrigerator", "entirely", "different"} <= {w.word for w in found.words if w.z > 0}
    assert "film" in {w.word for w in found.words if w.z < 0}
    assert found.unlike
    assert all(row.text == now["text"][row.row] for row in found.unlike)


def test_where_a_sample_was_looked_at_the_note_says_of_which_numbers(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.drift.SAMPLE_ROWS", 1000)
    found = detected(sentences(120), sentences(1300, start=500, noun="refrigerator"), store, tmp_path)
    assert max(word.current_rows for word in found.words) == 1000
    told = "signals, words, the rows most unlike and Evidently's report are of a seeded sample of at most 1,000 rows a side"
    assert told in found.notes


def test_where_evidentlys_own_verdict_differs_the_report_says_why(store: ObjectStore, tmp_path: Path) -> None:
    found = detected(sentences(120), sentences(300, start=500), store, tmp_path, moved=2.0)
    theirs = found.evidently_default
    assert theirs is not None
    assert found.drifted
    assert not theirs.drifted
    assert "does not look at embeddings" in theirs.because


def test_evidentlys_page_asks_nothing_of_a_request_s_latency_since_it_would_ask_whether_it_changed_at_all(
    tmp_path: Path,
) -> None:
    """The verdict asks whether it is more than twice what it was."""
    rng = np.random.default_rng(4)
    sides = []
    for slower in (1.0, 1.6):
        answers = {
            REQUEST_LATENCY: slower * rng.lognormal(5, 0.3, 300),
            "output words": rng.poisson(9, 300).astype(float),
        }
        sides.append(Side(["the film was fine"] * 300, answers, np.ones((300, 2), np.float32), np.full(300, UNKNOWN),
                          np.arange(300)))  # fmt: skip
    signals = find_signals(*sides, label_names=(), vocabulary=frozenset(), policy=Drift(), alpha=0.01, rng=rng)
    assert not any(signal.drifted for signal in signals)
    columns = [shown(side, names=(), labelled=False) for side in sides]
    assert write_evidently(*columns, signals, tmp_path).share == 0


def test_evidentlys_page_takes_no_more_than_the_verdict_for_a_change_of_shares_that_two_samples_leave_to_chance(
    tmp_path: Path,
) -> None:
    """Its own chi-squared takes the reference's shares as exactly known, and called a fourth of such quiet windows drifted."""
    label = DriftSignal(name="label shares", family="label", method="", statistic=0, p_value=1, threshold=0.001, effect=0,
                        effect_name="total variation", floor=0, detail="")  # fmt: skip
    then, now = ["a"] * 150 + ["b"] * 150, ["a"] * 1100 + ["b"] * 900
    columns = [{"label": side, "prediction": side} for side in (then, now)]
    assert write_evidently(*columns, (label,), tmp_path).share == 0
    columns[1]["label"] = ["a"] * 1300 + ["b"] * 700
    report = write_evidently(*columns, (label,), tmp_path)
    assert report.share == 0.5
    found = Snapshot.loads(report.snapshot.read_text()).dict()["metrics"]
    assert {m["config"]["threshold"] for m in found if m["metric_name"].startswith("DrawnDrift")} == {0.001}


def test_traffic_that_repeats_what_was_trained_on_is_compared_like_with_like(
    store: ObjectStore, tmp_path: Path
) -> None:
    """Nothing changed: the same hundred phrases as ever, of which the baseline holds the part that never trains."""
    everything = sentences(400)
    from models.rows import Split, content_digest, split_of

    held_out = [
        split_of(content_digest(t), validation_share=0.1, test_share=0.25) is not Split.TRAIN
        for t in everything["text"]
    ]
    found = detected(everything[held_out].reset_index(drop=True), everything, store, tmp_path, trained=everything)
    assert not found.drifted
    assert found.compared_rows == sum(held_out)
    assert "repeat texts that the champion trained on" in " ".join(found.notes)


@pytest.mark.parametrize("column", ["slice:shop", "meta:country"])
def test_a_column_that_the_spec_names_no_more_or_only_now_is_not_compared(
    column: str, store: ObjectStore, tmp_path: Path
) -> None:
    """The baseline was kept by the spec of the champion's release."""
    then, now = sentences(120), sentences(100, start=500)
    bare = detected(then, now, store, tmp_path)
    dropped = detected(then.assign(**{column: "a"}), now, store, tmp_path)
    assert [s.name for s in dropped.signals] == [s.name for s in bare.signals]
    assert dropped.notes == bare.notes
    for before in (then, then.assign(**{column: None})):
        added = detected(before, now.assign(**{column: "a"}), store, tmp_path)
        assert [s.name for s in added.signals] == [s.name for s in bare.signals]
        assert f"not compared: {column.partition(':')[2]}, since" in " ".join(added.notes)


@pytest.mark.parametrize("rows", [(0, 10), (10, 0)])
def test_an_empty_side_is_refused_and_not_called_quiet(
    rows: tuple[int, int], store: ObjectStore, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="one side is empty"):
        detected(sentences(10)[: rows[0]], sentences(10, start=500)[: rows[1]], store, tmp_path)
