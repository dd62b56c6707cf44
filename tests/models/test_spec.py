"""What a spec may say, and how each refusal names the field, the value and the way out."""

import math
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from errors import SpecError
from models.part import Part
from models.spec import ModelSpec, parse_spec, read_spec
from models.spec_text import schema_text, write_reference
from models.yaml12 import load_yaml

DOCS = Path(__file__).resolve().parents[2] / "docs"
LEAST: dict[str, Any] = {
    "name": "m",
    "model": {"source": "./model"},
    "labels": ["a", "b"],
    "data": {"sources": ["d.csv"]},
    "columns": {"text": "text"},
}


def _refusal(**changes: Any) -> str:
    with pytest.raises(SpecError) as refused:
        parse_spec({**LEAST, **changes}, where="spec.yaml")
    return str(refused.value)


def test_the_least_spec_has_four_gates_and_acts_on_quality() -> None:
    spec = parse_spec(LEAST, where="x")
    assert [gate.kind for gate in spec.gates] == ["better", "not_worse", "no_collapse", "latency"]
    assert spec.policy.act_on == "quality"


def test_a_section_that_is_written_twice_is_refused_with_both_lines_since_one_of_them_would_be_lost(
    tmp_path: Path,
) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("name: m\npolicy:\n  cooldown: 7d\nseed: 1\npolicy:\n  max_retrains_a_month: 2\n")
    with pytest.raises(SpecError, match="`policy` is written twice") as refused:
        read_spec(spec)
    assert "line 2" in str(refused.value) and "line 5" in str(refused.value)
    spec.write_text("name: m\npolicy: {n: 3, k: 1, n: 5}\n")
    with pytest.raises(SpecError, match="`n` is written twice"):
        read_spec(spec)


def test_a_key_that_comes_from_a_merge_may_be_written_again() -> None:
    read = load_yaml("w: &w {n: 0}\na: {x: &x {<<: *w, n: 1}}\nb: {<<: *x, n: 2}\n")
    assert (read["a"]["x"]["n"], read["b"]["n"]) == (1, 2)


def test_an_unknown_field_is_named_with_its_path_value_neighbours_and_a_suggestion() -> None:
    said = _refusal(training={"epoch": 3})
    assert "training.epoch: unknown field (value 3)" in said
    assert "Did you mean epochs?" in said
    assert "Accepted: batch_size, class_weights, epochs, evaluations" in said


def test_an_unknown_field_of_the_whole_file_and_of_a_gate_is_named() -> None:
    assert "Did you mean seed?" in _refusal(sead=1)
    said = _refusal(gates=[{"kind": "better", "margn": 0.1}])
    assert "gates.0.better.margn: unknown field" in said and "Did you mean margin?" in said


def test_every_problem_is_listed_at_once() -> None:
    said = _refusal(seed=-1, labels=["a"], training={"epochs": 0})
    assert all(field in said for field in ("seed:", "labels:", "training.epochs:"))


def test_a_missing_field_is_named() -> None:
    assert "data.sources: missing" in _refusal(data={})
    assert "model: source is missing" in _refusal(model={})


def test_a_refused_value_is_shown() -> None:
    assert "(value 'sometimes')" in _refusal(policy={"act_on": "sometimes"})
    assert "'quality', 'drift' or 'either'" in _refusal(policy={"act_on": "sometimes"})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"labels": ["a", "b", "a"]}, "'a' is listed twice"),
        ({"labels": ["", "spam"]}, "'' would never be met"),
        ({"labels": ["ham", "spam "]}, "'spam ' would never be met"),
        ({"columns": {"text": "t", "label": "t"}}, "given two roles"),
        ({"window": {"by": "count"}}, "by: count takes rows; given: nothing"),
        ({"window": {"by": "all", "rows": 5}}, "given: rows"),
        ({"window": {"by": "time", "period": "1d"}}, "needs columns.timestamp"),
        ({"policy": {"k": 3, "n": 2}}, "can never be reached"),
        ({"policy": {"cooldown": "soon"}}, "'soon' is no period"),
        (
            {"policy": {"cooldown": "9999999d"}},
            "is longer than a thousand years",
        ),  # datetime's own end is the year 9999
        ({"policy": {"cooldown": "99999999999d"}}, "is longer than a thousand years"),  # and timedelta's comes later
        ({"window": {"by": "time", "period": "0d"}}, "0d holds no row"),
        ({"policy": {"cooldown": "7d", "retrain_every": "1d"}}, "shorter than cooldown"),
        ({"training": {"lora": {}}}, "write method: lora"),
        ({"training": {"validation_share": 0.4, "test_share": 0.6}}, "less than 10 %"),
        ({"gates": []}, "gates:"),
        ({"gates": [{"kind": "latency"}, {"kind": "latency"}]}, "share a name"),
        ({"gates": [{"kind": "best"}]}, "gates.0:"),
        ({"name": "Not A Name"}, "name:"),
        ({"validation": {"future": "tomorrow"}}, "is no period"),
        ({"validation": {"earliest": "spring"}}, "'spring' is no ISO date"),
        ({"validation": {"earliest": "2024"}}, "'2024' is no ISO date"),
        ({"validation": {"earliest": "2024-01-31"}}, "needs columns.timestamp"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], says: str) -> None:
    assert says in _refusal(**changes)


def _parts(kind: Any) -> set[type[Part]]:
    """Every section that a spec can have, at whatever depth."""
    if isinstance(kind, type) and issubclass(kind, Part):
        return {kind}.union(*(_parts(field.annotation) for field in kind.model_fields.values()))
    return set().union(*map(_parts, get_args(kind)))


FIELDS = [pytest.param(part, name, id=f"{part.__name__}.{name}")
          for part in sorted(_parts(ModelSpec), key=lambda part: part.__name__) for name in part.model_fields]  # fmt: skip


@pytest.mark.parametrize(("part", "name"), FIELDS)
def test_no_field_takes_a_number_without_end_a_truth_for_a_number_or_a_text_that_holds_nothing(
    part: type[Part], name: str
) -> None:
    """`factor: .inf` always holds, `seed: true` is 1, and a column without a name was no role at all."""
    kinds = {part.model_fields[name].annotation, *get_args(part.model_fields[name].annotation)}
    wrong = [math.inf, -math.inf, math.nan, "", " \t"] + ([True, False] if bool not in kinds else [])
    for value in wrong:
        with pytest.raises(ValidationError) as refused:
            part.model_validate({name: value})
        assert name in {error["loc"][0] for error in refused.value.errors() if error["type"] != "missing"}, value


@pytest.mark.parametrize("content", [b"a: [", b"a: b: c", b"a: !!python/object:os.x {}", b"? [a]\n: 1\n"])
def test_what_is_not_yaml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "spec.yaml").write_bytes(content)
    with pytest.raises(SpecError, match="not valid YAML"):
        read_spec(tmp_path / "spec.yaml")


@pytest.mark.parametrize(
    "content", [r'labels: [a, "b\ud800"]', r'"\ud83d\ude00": 1', r'policy: {"\udfff": 1}', r'a: &x "\ud800"']
)
def test_half_a_character_is_refused_with_its_line_since_it_can_be_neither_stored_nor_shown(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "spec.yaml").write_text(f"name: m\n{content}\n")
    with pytest.raises(SpecError, match=r"is half a character.*\n.*line 2") as refused:
        read_spec(tmp_path / "spec.yaml")
    assert str(refused.value).encode("utf-8")


def test_a_spec_in_utf_16_is_told_to_be_saved_as_utf_8(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_bytes("name: m\n".encode("utf-16"))
    with pytest.raises(SpecError, match=r"spec.yaml is not UTF-8.* save it as UTF-8"):
        read_spec(tmp_path / "spec.yaml")


@pytest.mark.parametrize(
    ("content", "held"),
    [("", "nothing"), ("# name: m\n", "nothing"), ("- a\n", "a list"), ("just words", "a single value")],
)
def test_what_is_not_a_mapping_is_refused_in_words(tmp_path: Path, content: str, held: str) -> None:
    (tmp_path / "spec.yaml").write_text(content)
    with pytest.raises(SpecError, match=rf"holds {held}; a spec is a mapping"):
        read_spec(tmp_path / "spec.yaml")


def test_a_file_that_is_not_there_is_answered_with_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="upkeep init"):
        read_spec(tmp_path / "none.yaml")


def test_on_yes_no_and_dates_are_text_in_a_spec() -> None:
    read = load_yaml("on: current\nlabels: [yes, no]\nearliest: 2026-01-01\npromote: false\nn: 1\n")
    assert read == {"on": "current", "labels": ["yes", "no"], "earliest": "2026-01-01", "promote": False, "n": 1}


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from([*ModelSpec.model_fields, "by", "rows", "kind", "text", "k", "lora", "period"]) | SCALARS
NESTED = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@given(document=st.dictionaries(KEYS, NESTED, max_size=6) | NESTED, complete=st.booleans())
def test_whatever_a_document_holds_it_is_a_spec_or_a_spec_error(document: Any, complete: bool) -> None:
    if complete and isinstance(document, dict):
        document = {**LEAST, **document}
    try:
        found = parse_spec(document, where="a document")
    except SpecError as problem:
        assert str(problem).startswith("a document")
    else:
        assert isinstance(found, ModelSpec)


def test_the_written_schema_and_reference_are_up_to_date() -> None:
    again = "run: python -m models.spec_text docs"
    assert (DOCS / "spec.schema.json").read_text(encoding="utf-8") == schema_text(), again
    assert (DOCS / "spec.md").read_text(encoding="utf-8") == write_reference(), again


def test_a_gate_on_micro_f1_of_rows_with_one_label_is_told_that_this_is_accuracy() -> None:
    assert "the same number as accuracy" in _refusal(gates=[{"kind": "better", "metric": "micro_f1"}])


def test_gates_may_ask_for_the_ranking_and_the_calibration_and_their_bounds_stand_on_the_right_side() -> None:
    gates = [
        {"kind": "at_least", "name": "ranks", "metric": "auroc", "value": 0.8},
        {"kind": "at_most", "name": "honest", "metric": "ece", "value": 0.05},
        {"kind": "better", "metric": "auroc"},
        {"kind": "not_worse", "metric": "ece", "on": "current", "tolerance": 0.01},
    ]
    assert len(parse_spec({**LEAST, "gates": gates}, where="x").gates) == 4
    assert "use at_most" in _refusal(gates=[{"kind": "at_least", "metric": "ece", "value": 0.05}])
    assert "slices are measured by accuracy" in _refusal(gates=[{"kind": "no_collapse", "metric": "auroc"}])


def test_a_bound_of_a_share_above_one_is_refused_since_it_would_always_or_never_hold() -> None:
    said = _refusal(gates=[{"kind": "at_least", "name": "good", "value": 90}])
    assert "never hold" in said and "of 90 % write 0.9" in said
    translation = {"task": "translation", "labels": [], "columns": {"text": "a", "label": "b"}}
    said = _refusal(**translation, gates=[{"kind": "at_most", "metric": "repetition", "value": 50}])
    assert "always hold" in said and "of 50 % write 0.5" in said
    assert "of 30 % write 0.3" in _refusal(**translation, gates=[{"kind": "at_least", "metric": "bleu", "value": 30}])
    model = {"task": "causal-lm", "labels": []}
    bounded = {**LEAST, **model, "gates": [{"kind": "at_most", "metric": "perplexity", "value": 40}]}
    assert parse_spec(bounded, where="x").gates


def test_a_prompt_that_nobody_would_be_asked_is_refused() -> None:
    said = _refusal(generation={"prompt": "query: {text}"})
    assert "generation.prompt: 'query: {text}' would do nothing: a classifier reads" in said
    for generation in ({"prompt": "Q: {text}"}, {"chat": True}):
        assert "without columns.label" in _refusal(task="causal-lm", labels=[], generation=generation)
    answers = {**LEAST, "task": "causal-lm", "labels": [], "columns": {"text": "q", "label": "a"}}
    assert parse_spec({**answers, "generation": {"prompt": "Q: {text}", "chat": True}}, where="x").kind.writes


def test_a_seed_that_no_training_would_take_is_refused_before_one_begins() -> None:
    """NumPy's own generator, which transformers seeds, takes 32 bits; a moment written as a number has more."""
    assert parse_spec({**LEAST, "seed": 2**32 - 1}, where="x").seed == 2**32 - 1
    assert "seed: Input should be less than or equal to 4294967295 (value 202611300158)" in _refusal(seed=202611300158)


def test_a_list_that_is_none_and_a_label_that_is_a_number_are_refused_with_the_way_to_write_them() -> None:
    assert "data.sources: a list is wanted; write it in brackets" in _refusal(data={"sources": "rows.csv"})
    assert "labels.1: text is wanted; write it in quotes (value 1)" in _refusal(labels=["0", 1])


def test_a_gate_that_is_refused_does_not_make_its_list_too_short_as_well() -> None:
    assert "at least 1 item" not in _refusal(gates=[{"kind": "at_least"}])
    assert "at least 1 item" in _refusal(gates=[])
