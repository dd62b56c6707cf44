"""Judges at work, against a server whose answers are known, and a reward model that learned what it likes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import SecretStr

from errors import ModelError
from infra.api_keys import ApiKeys
from models.adapter import quietly
from models.generation import Generation
from models.judges import ApiJudge, Pair, RewardJudge
from models.judging import JudgeApi
from tests.apis import JUDGES_PROMPT, KEY, Answer, Asked, Decide, Serve, by_reference, completion
from tests.readers import praising_reader

PAIRS = [Pair(f"text {i}", f"right {i}", f"right {i}" if i % 2 else "wrong", "bad" if i % 2 else f"right {i}")
         for i in range(20)]  # fmt: skip


def judge_at(url: str, **how: Any) -> ApiJudge:
    judge = JudgeApi(url=url, model="big", prompt=JUDGES_PROMPT, retries=1, timeout=5, **how)
    return ApiJudge(judge, "translation", keys=ApiKeys(SecretStr(KEY)), own_url=url)


def saying(what: str) -> Decide:
    return lambda _: completion(what)


def test_a_judge_that_knows_names_the_right_answer_whatever_its_place_and_sees_both_orders(serve: Serve) -> None:
    server, done = serve(by_reference), []
    found = judge_at(server.url).compare(PAIRS, advance=done.append)
    assert found.given == tuple("first" if i % 2 else "second" for i in range(20))
    assert (found.requests, found.failed, found.sent, found.written) == (40, 0, 40 * 12, 40 * 3)
    assert sum(done) == 20
    shown = [json.loads(asked.text) for asked in server.asked[1:]]
    assert {(s["text"], s["a"], s["b"]) for s in shown} == {
        (p.text, *order) for p in PAIRS for order in ((p.first, p.second), (p.second, p.first))
    }
    assert {(a.json["temperature"], a.json["max_tokens"]) for a in server.asked} == {(0, 16)}


@pytest.mark.parametrize(("said", "opinion"), [("[[A]]", "flipped"), ("[[B]]", "flipped"), ("[[C]]", "same")])
def test_a_judge_that_names_a_place_has_no_opinion(said: str, opinion: str, serve: Serve) -> None:
    found = judge_at(serve(saying(said)).url).compare(PAIRS, advance=quietly)
    assert set(found.given) == {opinion}


def test_answers_that_are_no_verdict_are_counted_and_too_many_are_refused_with_an_example(serve: Serve) -> None:
    def mostly(asked: Asked) -> Answer:
        return completion("they differ") if '"text 3"' in asked.text else by_reference(asked)

    found = judge_at(serve(mostly).url).compare(PAIRS, advance=quietly)
    assert found.given.count("unread") == 1 and found.given[3] == "unread"
    with pytest.raises(ModelError, match=r"of 20 pairs, 1 got an answer that is no verdict.*max_unread = 0 may"):
        judge_at(serve(mostly).url, max_unread=0).compare(PAIRS, advance=quietly)
    with pytest.raises(ModelError, match=r"of 20 pairs, 20 got an answer that is no verdict, such as 'they differ'"):
        judge_at(serve(saying("they differ")).url).compare(PAIRS, advance=quietly)


def test_a_pair_whose_request_failed_is_left_out_and_too_many_end_the_run(serve: Serve) -> None:
    def failing(*texts: int) -> Decide:
        lost = tuple(f'"text {i}"' for i in texts)
        return lambda asked: Answer(422, {}) if any(t in asked.text for t in lost) else by_reference(asked)

    found = judge_at(serve(failing(3)).url).compare(PAIRS, advance=quietly)
    assert found.given.count("failed") == 1 and found.given[3] == "failed" and found.failed == 2
    with pytest.raises(ModelError, match=r"evaluation\.judge\.api\.max_failed = 0.1"):
        judge_at(serve(failing(1, 7, 13)).url).compare(PAIRS, advance=quietly)


def test_a_judge_that_nobody_answers_for_is_told_before_anything_is_paid_for(serve: Serve) -> None:
    server = serve(lambda _: Answer(401, {}))
    with pytest.raises(ModelError, match="UPKEEP_API_KEYS for a judge"):
        judge_at(server.url)
    assert len(server.asked) == 1
    with pytest.raises(ModelError, match=r"look at evaluation\.judge\.api\.url"):
        judge_at(serve(lambda _: Answer(404, {})).url)


def test_the_models_key_is_not_sent_to_a_judge_at_another_server(serve: Serve) -> None:
    server = serve(by_reference)
    judge = JudgeApi(url=server.url, model="big")
    own = "https://api.example.com/v1"
    ApiJudge(judge, "translation", keys=ApiKeys(SecretStr(KEY)), own_url=own)
    assert "Authorization" not in server.asked[-1].headers
    keys = ApiKeys(SecretStr(KEY), {server.url: SecretStr("the judge's own")})
    ApiJudge(judge, "translation", keys=keys, own_url=own)
    assert server.asked[-1].headers["Authorization"] == "Bearer the judge's own"
    ApiJudge(judge, "translation", keys=ApiKeys(SecretStr(KEY)), own_url=server.url)
    assert server.asked[-1].headers["Authorization"] == f"Bearer {KEY}"


def test_a_reward_model_names_the_answer_with_the_higher_score(tmp_path: Path) -> None:
    judge = RewardJudge(praising_reader(tmp_path), Generation(prompt="the {text} was bad"))
    said = {"good": "the film was good", "bad": "the film was dull"}
    pairs = [Pair("film", "", said[a], said[b]) for a, b in (("good", "bad"), ("bad", "good"), ("good", "good"))]
    found = judge.compare(pairs, advance=quietly)
    assert found.given == ("first", "second", "same")
    assert (found.requests, found.failed) == (0, 0)


def test_a_reward_model_whose_scores_are_no_numbers_speaks_for_nobody(tmp_path: Path) -> None:
    judge = RewardJudge(praising_reader(tmp_path), Generation(prompt="the {text} was bad"))
    with torch.no_grad():
        next(judge.model.model.parameters()).fill_(float("nan"))
    with pytest.raises(ModelError, match=r"a reward model answers with what is no number.*name another one"):
        judge.compare([Pair("film", "", "the film was good", "the film was dull")], advance=quietly)
