"""Both models' answers before a judge: what it is paid for once, and what its verdicts make of a gate."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from errors import ModelError, UnmeasuredMetric
from infra.object_store import ObjectStore
from models.adapter import Predictions
from models.contracts import (
    Artifact,
    Judgement,
    Latency,
    ModelKind,
    Percentiles,
    Scorecard,
    Scores,
    Table,
    Verdict,
    Weights,
)
from models.gate_kinds import AtLeast, Better, NotWorse
from models.generation import Generation
from models.judging import Judge
from tasks import judging
from tasks.finetuning import store_folder
from tasks.gates import judge as judge_gates
from tasks.judgements import tell_judgement
from tasks.judging import compare_answers, draw_rows, with_judgement
from tasks.score_files import write_scores
from tests.apis import JUDGES_PROMPT, Answer, Asked, Serve, by_reference, completion
from tests.readers import MOODS, NOUNS, praising_reader
from tests.tiny import kept_table, stories

KIND = ModelKind(task="translation", labels=(), max_tokens=32, seed=3, truth="answer",
                 generation=Generation(max_new_tokens=6))  # fmt: skip


def always_a(_: Asked) -> Answer:
    return completion("[[A]]")


class Answered:
    """Sealed rows, and what both models are said to have written."""

    def __init__(self, store: ObjectStore, folder: Path, frame: pd.DataFrame, *, right: float, alike: int = 0) -> None:
        self.store, self.folder = store, folder
        self.rows = kept_table(frame, store)
        wins = round(right * (len(frame) - alike))
        labels = frame["label"].tolist()
        new = [*labels[:wins], *["falsch"] * (len(frame) - wins - alike), *["gleich"] * alike]
        old = [*["falsch"] * wins, *labels[wins : len(frame) - alike], *["gleich"] * alike]
        self.champion, self.candidate = self.scores(old), self.scores(new)

    def scores(self, texts: list[str]) -> Scores:
        path, ones = self.folder / "scores.arrow", np.ones((len(texts), 1), np.float32)
        write_scores(path, [Predictions(ones, ones, texts)])
        arrays = Artifact.model_validate(self.store.put_blob("scores", path))
        return Scores(model_digest="m", arrays=arrays, rows=len(texts), seconds=0, device="cpu")

    def judged(self, judge: Judge, *, reward: Weights | None = None, rows: Table | None = None) -> Judgement:
        return compare_answers.fn(
            rows or self.rows, self.champion, self.candidate, judge=judge, reward=reward, kind=KIND,
            of_rows=self.rows.rows, own_url=None, store=self.store,
        )  # fmt: skip


def judge_at(url: str, **how: Any) -> Judge:
    return Judge.model_validate({"api": {"url": url, "model": "big", "prompt": JUDGES_PROMPT, "retries": 0, **how}})


def scorecard() -> Scorecard:
    base = Percentiles(p50=10, p95=12, p99=15, n=40)
    return Scorecard(comparisons=(), latency=Latency(champion=base, candidate=base), label_agreement=None)


def verdict(judgement: Judgement, gate: Any) -> Verdict:
    return judge_gates.fn(with_judgement(scorecard(), judgement), gates=[gate]).verdict


BETTER = Better(metric="win_rate")
HALF = AtLeast(metric="win_rate", value=0.5)


def test_the_win_rate_is_wins_and_half_of_the_ties_and_gates_read_it(
    store: ObjectStore, tmp_path: Path, serve: Serve
) -> None:
    server = serve(by_reference)
    answered = Answered(store, tmp_path, stories(100), right=0.75, alike=20)
    judgement = answered.judged(judge_at(server.url, prices={"input": 1, "output": 10}))
    assert [judgement.count(said) for said in ("candidate", "champion", "same")] == [60, 20, 20]
    assert len(server.asked) == 1 + 2 * 80, "answers that are alike were paid for"
    found = with_judgement(scorecard(), judgement).of("current", "win_rate")
    assert found is not None and found.candidate.value == pytest.approx(0.7)
    assert judgement.cost == pytest.approx(160 * (12 * 1 + 3 * 10) / 1e6)
    assert verdict(judgement, BETTER) is verdict(judgement, HALF) is Verdict.BLESSED
    assert verdict(judgement, AtLeast(metric="win_rate", value=0.9)) is Verdict.REJECTED
    said = tell_judgement(judgement)
    assert "judged all 100 new sealed rows: candidate better 60, champion 20, same 20; 160 requests, 0 failed" in said


@pytest.mark.parametrize(("cost", "told"), [(0.3149, "0.3149"), (12_345.6, "12,346")])
def test_what_a_judge_cost_is_told_in_any_currency(cost: float, told: str) -> None:
    judgement = Judgement(judge="j", of_rows=0, pairs=(), asked=2, failed=0, sent=1, written=1, cost=cost)
    assert tell_judgement(judgement).endswith(f"2 requests, 0 failed, cost {told}")


def test_a_judge_that_always_says_a_comes_out_as_half_and_blesses_nothing(
    store: ObjectStore, tmp_path: Path, serve: Serve
) -> None:
    answered = Answered(store, tmp_path, stories(200), right=0.9)
    judgement = answered.judged(judge_at(serve(always_a).url))
    assert judgement.count("flipped") == 200
    found = with_judgement(scorecard(), judgement).of("current", "win_rate")
    assert found is not None and found.candidate.value == 0.5 and found.difference.value == 0
    for gate in (BETTER, HALF, NotWorse(metric="win_rate", on="current", tolerance=0.05)):
        assert verdict(judgement, gate) is Verdict.INSUFFICIENT
    assert "verdict went with the order 200 (100.0%)" in tell_judgement(judgement)


def test_too_few_pairs_are_too_little_evidence_and_no_pair_is_unmeasured(
    store: ObjectStore, tmp_path: Path, serve: Serve
) -> None:
    judgement = Answered(store, tmp_path, stories(6), right=1).judged(judge_at(serve(by_reference).url))
    assert verdict(judgement, HALF) is Verdict.INSUFFICIENT
    lost = judgement.model_copy(
        update={"pairs": tuple(p.model_copy(update={"said": "unread"}) for p in judgement.pairs)}
    )
    for nothing in (lost, judgement.model_copy(update={"pairs": ()})):
        with pytest.raises(UnmeasuredMetric, match="win_rate on current"):
            verdict(nothing, HALF)


def test_what_a_killed_run_has_paid_for_is_not_paid_for_again(
    store: ObjectStore, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "AT_ONCE", 10)
    open_for, lock = [1 + 50], threading.Lock()

    def dies_after_some(asked: Asked) -> Answer:
        with lock:
            open_for[0] -= 1
            return by_reference(asked) if open_for[0] >= 0 else Answer(503, {})

    server, answered = serve(dies_after_some), Answered(store, tmp_path, stories(40), right=0.5)
    judge = judge_at(server.url)
    with pytest.raises(ModelError, match="requests in a row failed"):
        answered.judged(judge)
    open_for[0], before = 1000, len(server.asked)
    judgement = answered.judged(judge_at(server.url, retries=1, at_once=2))
    paid = [asked.text for asked in server.asked[before:]]
    assert len(paid) == 1 + 2 * 20, "two portions of four were whole"
    assert (judgement.count("candidate"), judgement.count("champion"), judgement.asked) == (20, 20, 80)
    again = len(server.asked)
    assert answered.judged(judge_at(server.url, prices={"input": 1, "output": 1})).cost is not None
    assert len(server.asked) == again, "prices change no verdict"
    answered.judged(judge_at(server.url, model="other"))
    assert len(server.asked) == again + 1 + 80, "another model has other opinions"


def test_no_text_of_a_row_is_kept_with_the_verdicts(store: ObjectStore, tmp_path: Path, serve: Serve) -> None:
    Answered(store, tmp_path, stories(20), right=0.5).judged(judge_at(serve(by_reference).url))
    kept = [key for key in store.list_keys("stages/") if "judge" in key]
    assert len(kept) == 2
    assert not any(b"very" in store.get_bytes(key) or b"falsch" in store.get_bytes(key) for key in kept)


def test_more_rows_than_are_to_be_judged_are_sampled_by_the_seed(store: ObjectStore) -> None:
    sealed = kept_table(stories(300), store)
    assert draw_rows.fn(sealed, most=300, seed=1, store=store) == sealed
    drawn, again, other = (draw_rows.fn(sealed, most=50, seed=seed, store=store) for seed in (1, 1, 2))
    assert drawn == again != other and drawn.rows == 50
    frame = pd.read_parquet(store.get_file(drawn))
    assert frame["row"].is_monotonic_increasing and frame["content"].nunique() == 50
    assert frame["row"].max() > 200, "not the first ones"


def test_a_reward_model_judges_without_requests(store: ObjectStore, tmp_path: Path) -> None:
    reward = store_folder(praising_reader(tmp_path / "reward"), store, prefix=store.keys.instruments)
    assert reward.prefix.startswith("instruments/")
    texts = [f"the {noun} was {mood}" for noun in NOUNS for mood in MOODS]
    answered = Answered(store, tmp_path, pd.DataFrame({"text": texts, "label": texts}), right=0)
    old, new = (answered.scores([f"the film was {mood}"] * 24) for mood in ("dull", "great"))
    answered.champion, answered.candidate = old, new
    judge = Judge(reward_model="reward")
    judgement = answered.judged(judge, reward=reward)
    assert (judgement.count("candidate"), judgement.asked, judgement.cost) == (24, 0, None)
    assert verdict(judgement, BETTER) is Verdict.BLESSED
    assert tell_judgement(judgement) == (
        "reward model reward judged all 24 new sealed rows: candidate better 24, champion 0, same 0"
    )
