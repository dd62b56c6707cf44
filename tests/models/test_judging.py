"""What a spec may say of judges, what they are asked, and how their answers are read."""

from typing import Any

import pytest

from errors import SpecError
from models.judging import JudgeApi, read_verdict
from models.spec import ModelSpec, parse_spec

API = {"url": "https://judge.example.com/v1", "model": "big-2026"}
SPEC: dict[str, Any] = {
    "name": "m", "task": "summarization", "model": {"source": "m"}, "data": {"sources": ["d.csv"]},
    "columns": {"text": "text", "label": "label"}, "gates": [{"kind": "better"}],
}  # fmt: skip


def refusal(**changes: Any) -> str:
    with pytest.raises(SpecError) as refused:
        parse_spec({**SPEC, **changes}, where="spec.yaml")
    return str(refused.value)


def spec_with(**evaluation: Any) -> ModelSpec:
    return parse_spec({**SPEC, "evaluation": evaluation}, where="x")


def test_faithfulness_and_the_win_rate_are_measured_where_a_model_for_them_is_named() -> None:
    assert not {"faithfulness", "win_rate"} & set(parse_spec(SPEC, where="x").metrics)
    assert spec_with(entailment_model="nli").metrics[-1] == "faithfulness"
    assert spec_with(judge={"api": API}).metrics[-1] == "win_rate"


@pytest.mark.parametrize(("metric", "field"), [("faithfulness", "entailment_model"), ("win_rate", "judge")])
def test_a_gate_that_nobody_measures_for_is_refused_with_the_field_that_it_needs(metric: str, field: str) -> None:
    gate = {"kind": "at_least", "metric": metric, "value": 0.5}
    assert f"without evaluation.{field}" in refusal(gates=[gate])
    evaluation = {"entailment_model": "nli", "judge": {"reward_model": "r"}}
    assert parse_spec({**SPEC, "gates": [gate], "evaluation": evaluation}, where="x").gates


def test_a_win_rate_is_of_the_new_rows() -> None:
    evaluation = {"judge": {"reward_model": "r"}}
    gate = {"kind": "not_worse", "metric": "win_rate"}
    assert "write on: current" in refusal(gates=[gate], evaluation=evaluation)
    assert parse_spec({**SPEC, "gates": [{**gate, "on": "current"}], "evaluation": evaluation}, where="x")


@pytest.mark.parametrize(
    ("evaluation", "says"),
    [
        ({"judge": {}}, "give one of both"),
        ({"judge": {"reward_model": "r", "api": API}}, "give one of both"),
        ({"judge": {"api": {**API, "prompt": "{text}: {a}"}}}, "must hold {b}"),
        ({"judge": {"api": {**API, "url": "https://me:secret@example.com"}}}, "UPKEEP_API_KEY"),
        ({"judge": {"reward_model": "r", "rows": 0}}, "evaluation.judge.rows"),
        ({"judge": {"reward": "r"}}, "Did you mean reward_model?"),
    ],
)
def test_contradictions_are_refused(evaluation: dict[str, Any], says: str) -> None:
    assert says in refusal(evaluation=evaluation)


def test_a_classifier_has_no_judge_and_only_summaries_are_faithful() -> None:
    classifier = {"task": "text-classification", "labels": ["a", "b"], "evaluation": {"judge": {"api": API}}}
    assert "a judge compares what models write" in refusal(**classifier)
    assert "faithfulness is of summaries" in refusal(task="translation", evaluation={"entailment_model": "nli"})


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("[[A]]", "A"), ("I think that [[B]] is better.", "B"), ("[[C]]", "C"), (" b. ", None), ("B.", "B"), ("**C**", "C"),
        ("[[A]] ... no, [[B]]", None), ("A is better", None), ("", None), ("[[D]]", None), ("[[A]] and again [[A]]", "A"),
    ],
)  # fmt: skip
def test_a_verdict_is_read_where_there_is_exactly_one(said: str, verdict: str | None) -> None:
    assert read_verdict(said) == verdict


def test_a_text_that_holds_a_place_of_the_prompt_stays_as_it_is() -> None:
    judge = JudgeApi(**API, prompt="{text}|{reference}|{a}|{b}")
    assert judge.ask("translation", text="{a} {b}", reference="{text}", a="{b}", b="x") == "{a} {b}|{text}|{b}|x"


@pytest.mark.parametrize("task", ["translation", "summarization", "causal-lm"])
def test_the_prompt_of_a_task_holds_text_reference_and_answers_and_names_nobody(task: str) -> None:
    asked = JudgeApi(**API).ask(task, text="T1", reference="R1", a="A1", b="B1")
    assert all(part in asked for part in ("T1", "R1", "A1", "B1", "[[C]]"))
    assert not {"champion", "candidate"} & set(asked.lower().split())
