"""Scores on disk: any number of rows in the memory of a few."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from infra.object_store import ObjectStore
from models.adapter import Advance, Predictions
from models.contracts import ModelKind
from models.text_classification import TextClassifier
from tasks import scoring
from tasks.finetuning import store_folder
from tasks.score_files import picked_scores, read_embeddings, read_numbers, read_texts, write_scores
from tests.tiny import kept_table, sentences, tiny_model

KIND = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=16, seed=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scores.arrow"


def outputs(*sizes: int) -> list[Predictions]:
    rng = np.random.default_rng(1)
    halves = [rng.normal(size=(n, 5)).astype(np.float16) for n in sizes]
    return [Predictions(rng.random((len(h), 2)).astype(np.float32), h.astype(np.float32)) for h in halves]


def test_what_was_written_in_batches_is_read_whole_in_its_order(path: Path) -> None:
    parts = outputs(3, 1, 4)
    assert write_scores(path, parts) == 8
    assert np.array_equal(read_numbers(path), np.concatenate([p.numbers for p in parts]))
    assert np.array_equal(read_embeddings(path), np.concatenate([p.embeddings for p in parts]))
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as file:
        assert [file.get_batch(i).num_rows for i in range(file.num_record_batches)] == [3, 1, 4]


def test_texts_that_were_written_go_with_their_rows(path: Path) -> None:
    parts = [
        replace(part, texts=[f"{i}-{j}" for j in range(len(part.numbers))]) for i, part in enumerate(outputs(3, 1, 4))
    ]
    write_scores(path, parts)
    rows = np.array([0, 2, 3, 6])
    picked = [text for part in picked_scores(path, rows=rows) for text in part.texts or ()]
    assert picked == read_texts(path, rows=rows) == ["0-0", "0-2", "1-0", "2-2"]
    write_scores(path, outputs(3))
    assert read_texts(path) is None


def test_rows_are_read_by_their_numbers_in_the_order_asked_for(path: Path) -> None:
    write_scores(path, outputs(3, 1, 4))
    numbers = np.array([7, 0, 3, 3, 2])
    assert np.array_equal(read_embeddings(path, rows=numbers), read_embeddings(path)[numbers])
    assert np.array_equal(read_numbers(path, rows=numbers), read_numbers(path)[numbers])
    assert read_embeddings(path, rows=np.zeros(0, np.int64)).shape == (0, 5)


@pytest.mark.parametrize("numbers", [[], [0], [2, 3, 4, 7], list(range(8))])
def test_rows_are_picked_into_a_file_of_their_own_in_one_pass(path: Path, numbers: list[int]) -> None:
    write_scores(path, outputs(3, 1, 4))
    rows, picked = np.array(numbers, np.int64), path.with_name("picked.arrow")
    batches = list(picked_scores(path, rows=rows))
    assert [len(batch.embeddings) for batch in batches] == [sum(a <= n < b for n in numbers) for a, b in
                                                            ((0, 3), (3, 4), (4, 8))]  # fmt: skip
    assert write_scores(picked, batches) == len(numbers)
    assert np.array_equal(read_embeddings(picked), read_embeddings(path)[rows])
    assert np.array_equal(read_numbers(picked), read_numbers(path)[rows])


def test_an_embedding_beyond_half_precision_stays_finite(path: Path) -> None:
    write_scores(path, [Predictions(np.ones((1, 2), np.float32), np.array([[1e6, -1e6, 0.5]], np.float32))])
    assert read_embeddings(path).tolist() == [[65504, -65504, 0.5]]


@pytest.mark.parametrize("numbers", [[8], [-1], [0, 100]])
def test_a_row_that_is_not_there_is_refused_and_not_made_up(path: Path, numbers: list[int]) -> None:
    write_scores(path, outputs(3, 1, 4))
    with pytest.raises(IndexError, match="holds the rows 0 to 7"):
        read_embeddings(path, rows=np.array(numbers))


@pytest.mark.parametrize("count", [0, 10])
def test_the_model_is_given_a_few_rows_at_a_time_and_the_scores_are_those_of_all_at_once(
    count: int, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    predict = TextClassifier.predict

    def watched(self: TextClassifier, texts: Sequence[str], *, labels: object = None, advance: Advance) -> Predictions:
        given.append(len(texts))
        return predict(self, texts, advance=advance)

    monkeypatch.setattr(TextClassifier, "predict", watched)
    monkeypatch.setattr(scoring, "ROWS_AT_ONCE", 4)
    weights = store_folder(tiny_model(tmp_path / "model"), store)
    rows = sentences(10)[:count]
    scores = scoring.score_rows.fn(kept_table(rows, store), weights, kind=KIND, store=store)
    assert (scores.rows, max(given)) == (count, min(count, 4))
    model = TextClassifier.load(tmp_path / "model", KIND, new_head=False)
    alone = model.predict(rows["text"].tolist(), advance=lambda _: None)
    stored = store.get_file(scores.arrays)
    assert np.allclose(read_numbers(stored), alone.numbers, atol=1e-5)
    assert np.allclose(read_embeddings(stored), alone.embeddings, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is Linux's to tell")
def test_a_few_rows_of_many_do_not_bring_their_neighbourhood_into_memory(path: Path) -> None:
    at_once = 8192
    batch = Predictions(np.zeros((at_once, 2), np.float32), np.ones((at_once, 384), np.float32))
    write_scores(path, (batch for _ in range(16)))
    rows = np.arange(0, 16 * at_once, 30)  # each page's neighbours, 64 KB on Linux, are all of the file
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    assert read_embeddings(path, rows=rows).shape == (len(rows), 384)
    assert _memory("VmHWM") - before < 45e6 < path.stat().st_size / 2


def _memory(name: str) -> float:
    """Bytes."""
    told = Path("/proc/self/status").read_text()
    return 1024 * float(told.split(f"{name}:")[1].split()[0])
