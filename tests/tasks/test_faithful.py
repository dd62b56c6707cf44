"""Summaries that say what their documents do not, in a window without a single reference."""

import itertools
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from infra import object_store
from infra.object_store import ObjectStore
from models.adapter import Predictions
from models.contracts import Artifact, ModelKind, MonitoringReport, Scored, Scores, Weights
from models.judging import Evaluation
from tasks.faithful import ROWS, check_faithfulness
from tasks.instruments import import_entailment
from tasks.score_files import write_scores
from tests.infra.transfers import Requests
from tests.readers import MOODS, NOUNS, entailing_reader
from tests.tiny import kept_table

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]
KIND = ModelKind(task="summarization", labels=(), max_tokens=32, seed=3, truth="answer")
SAID = [f"the {noun} was {mood}" for noun, mood in itertools.product(NOUNS, MOODS)]


@pytest.fixture
def reader(store: ObjectStore, tmp_path: Path) -> Weights:
    entailing_reader(tmp_path / "nli")
    found = import_entailment(Evaluation(entailment_model="nli"), base=str(tmp_path), store=store)
    assert found is not None
    return found


def summarized(count: int, wrong: float, store: ObjectStore, folder: Path) -> Scored:
    """Documents of two lines, summarized by their first; a share of the summaries says what no line says."""
    first, second = (np.arange(count) * 5 % 24, np.arange(count) * 5 % 24 - 1)
    texts = [f"{SAID[i]}\n{SAID[j]}" for i, j in zip(first, second, strict=True)]
    summaries = [SAID[i - 6 if n < wrong * count else i] for n, i in enumerate(first)]
    path = folder / "scores.arrow"
    write_scores(path, [Predictions(np.zeros((count, 1), np.float32), np.zeros((count, 2), np.float32), summaries)])
    arrays = Artifact.model_validate(store.put_blob("scores", path))
    rows = kept_table(pd.DataFrame({"text": texts, "label": pd.Series([None] * count, dtype="string")}), store)
    return Scored(rows=rows, scores=Scores(model_digest="m", arrays=arrays, rows=count, seconds=0, device="cpu"))


def nothing_known() -> MonitoringReport:
    return MonitoringReport(
        rows=1, labelled=0, quality=(), confidence=None, confidence_at_release=None, shares=(), latency_ms=None,
        served_agreement=None,
    )  # fmt: skip


def test_a_model_that_is_measured_with_stays_young_and_is_there_again_after_gc(
    reader: Weights, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again() -> Weights | None:
        return import_entailment(Evaluation(entailment_model="nli"), base=str(tmp_path), store=store)

    sent = Requests(store)
    assert again() == reader and "PutObject" not in sent.count
    monkeypatch.setattr(object_store, "USED_AGAIN", timedelta(0))
    again()
    assert sent.count["PutObject"] == 1
    for key in store.list_keys(reader.prefix):
        store.delete(key)
    assert again() == reader
    assert len(store.list_keys(reader.prefix)) == len(reader.files)


def test_summaries_that_stopped_following_from_their_documents_are_seen_without_a_reference(
    reader: Weights, store: ObjectStore, tmp_path: Path
) -> None:
    now, then = (summarized(count, wrong, store, tmp_path) for count, wrong in ((150, 0.4), (300, 0.0)))
    found = check_faithfulness(nothing_known(), now, then, entailment=reader, kind=KIND, store=store)
    check = found.faithfulness
    assert check is not None and found.deciding is None, "it is an alarm, and decides nothing"
    assert (check.now.n, check.at_release.n) == (150, ROWS)
    assert check.at_release.value > 0.85 and check.now.value < check.at_release.value - 0.25
    assert check.p_value < 1e-6


def test_where_nothing_changed_none_is_claimed_and_the_baseline_is_read_once(
    reader: Weights, store: ObjectStore, tmp_path: Path
) -> None:
    then = summarized(300, 0.1, store, tmp_path)
    for start in (120, 144):
        now = summarized(start, 0.1, store, tmp_path)
        found = check_faithfulness(nothing_known(), now, then, entailment=reader, kind=KIND, store=store)
        assert found.faithfulness is not None and found.faithfulness.p_value > 0.01
    assert [reused for stage, _, reused in store.timings if stage == "faithfulness"] == [False, False, False, True]


def test_without_a_model_of_entailment_nothing_is_measured(store: ObjectStore, tmp_path: Path) -> None:
    side = summarized(20, 0.0, store, tmp_path)
    assert check_faithfulness(nothing_known(), side, side, entailment=None, kind=KIND, store=store).faithfulness is None
