"""The rows that a person is shown: those first on which the models differ, each of them with the same chance."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from infra.object_store import ObjectStore
from models.contracts import Samples
from tasks.approval_samples import SHOWN_CHARACTERS, sample_answers
from tasks.rating_sheets import read_samples
from tests.releases import KIND
from tests.tiny import kept_table, sentences, stored_scores


def sampled(
    store: ObjectStore, folder: Path, *, rows: pd.DataFrame, champion: np.ndarray, candidate: np.ndarray, wanted: int = 20,
    seed: int = 1,
) -> Samples:  # fmt: skip
    """`champion` and `candidate`: the probability of positive, a row."""
    scores = []
    for name, positive in (("champion", champion), ("candidate", candidate)):
        (folder / name).mkdir(exist_ok=True)
        scores.append(
            stored_scores(np.stack([1 - positive, positive], 1), np.zeros((len(rows), 2)), store, folder / name)
        )
    kind = KIND.model_copy(update={"seed": seed})
    return sample_answers.fn(kept_table(rows, store), *scores, kind=kind, wanted=wanted, store=store)


def test_rows_on_which_the_models_differ_come_first_in_proportion_to_what_changed(
    store: ObjectStore, tmp_path: Path
) -> None:
    champion, candidate = np.full(300, 0.2), np.full(300, 0.2)
    champion[:20], candidate[:20] = 0.9, 0.1
    candidate[20:80] = 0.75
    found = sampled(store, tmp_path, rows=sentences(300), champion=champion, candidate=candidate, wanted=40)
    assert (found.differing, found.rows, found.sheet.rows) == (80, 300, 40)
    changes = Counter((s.champion, s.candidate) for s in found.shown)
    assert changes == {("positive", "negative"): 10, ("negative", "positive"): 30}
    first = next(s for s in found.shown if s.candidate == "positive")
    assert (first.champion_confidence, first.candidate_confidence) == (0.8, 0.75)


def test_where_too_few_differ_the_rest_are_rows_on_which_they_agree(store: ObjectStore, tmp_path: Path) -> None:
    champion = np.where(np.arange(100) % 2, 0.1, 0.9)
    candidate = np.concatenate([1 - champion[:3], champion[3:]])
    found = sampled(store, tmp_path, rows=sentences(100), champion=champion, candidate=candidate)
    assert [s.differs for s in found.shown] == [True] * 3 + [False] * 17


def test_a_text_is_shown_once_and_cut_while_the_sheet_has_all_of_it(store: ObjectStore, tmp_path: Path) -> None:
    rows = sentences(3).assign(text=["=long " * 200, "twice", "TWICE"], label=["positive", None, None])
    found = sampled(store, tmp_path, rows=rows, champion=np.full(3, 0.1), candidate=np.full(3, 0.9))
    assert found.rows == 2
    texts = {s.text: s.label for s in found.shown}
    assert texts == {("=long " * 200)[: SHOWN_CHARACTERS - 1] + "…": "positive", "twice": None}
    sheet = read_samples(store.get_file(found.sheet))
    assert [s.text for s in sheet if s.label] == ["=long " * 200]
    assert [s.content for s in sheet] == [s.content for s in found.shown]
    assert store.get_file(found.sheet).read_text("utf-8-sig").startswith("better,rater,text,label,champion,")


def test_the_draw_is_the_seed_s_and_is_made_once(store: ObjectStore, tmp_path: Path) -> None:
    scores = {"champion": np.full(200, 0.1), "candidate": np.linspace(0, 1, 200)}
    draws = [sampled(store, tmp_path, rows=sentences(200), seed=seed, **scores) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert [reused for stage, _, reused in store.timings if stage == "approval-samples"] == [False, True, False]


def test_no_row_at_all_is_an_empty_sheet(store: ObjectStore, tmp_path: Path) -> None:
    rows = sentences(1).iloc[:0]
    found = sampled(store, tmp_path, rows=rows, champion=np.zeros(0), candidate=np.zeros(0))
    assert (found.shown, found.differing, found.sheet.rows) == ((), 0, 0)
