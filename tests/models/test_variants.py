"""Which variants a spec may ask for, and by which gate they are judged."""

from typing import Any

import pytest

from errors import MissingExtra, SpecError
from models import variants
from models.spec import ModelSpec, parse_spec
from models.variants import require_packages

LEAST: dict[str, Any] = {
    "name": "m", "model": {"source": "./model"}, "labels": ["a", "b"], "data": {"sources": ["d.csv"]},
    "columns": {"text": "text", "label": "label"},
}  # fmt: skip
WRITES = {"task": "translation", "labels": []}
HOSTED = {**WRITES, "model": {"hosted": {"url": "https://api.example.com/v1", "model": "a"}}}
AGREES = {"kind": "agrees"}


def spec(**changes: Any) -> ModelSpec:
    return parse_spec({**LEAST, **changes}, where="spec.yaml")


def test_variants_bring_the_gate_that_judges_them_where_nobody_names_gates() -> None:
    assert [gate.kind for gate in spec(variants=["onnx"]).gates][-1] == "agrees"
    assert "agrees" not in [gate.kind for gate in spec().gates]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"variants": ["onnx"], **HOSTED}, "those of a hosted model are behind its API; drop `variants`"),
        ({"variants": ["onnx"], **WRITES}, "task: translation writes token by token"),
        ({"variants": ["onnx"], "task": "mine:Adapter"}, "task: mine:Adapter is an adapter of your own"),
        ({"variants": ["onnx", "onnx"]}, "one is listed twice"),
        ({"variants": ["openvino"]}, "'onnx' or 'onnx-int8'"),
        ({"variants": ["onnx"], "gates": [{"kind": "better"}]}, "onnx is judged by no gate"),
        ({"variants": ["onnx", "onnx-int8"], "gates": [{**AGREES, "variant": "onnx"}]}, "onnx-int8 is judged by no gate"),
        ({"gates": [AGREES]}, "variants is []; name it there, or drop the gate"),
        ({"variants": ["onnx"], "gates": [AGREES, {**AGREES, "name": "b", "variant": "onnx-int8"}]}, "whether onnx-int8 agree"),
        ({"variants": ["onnx"], "gates": [{**AGREES, "share": 1}]}, "share"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_or_would_not_be_judged_is_refused_with_the_reason(
    changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(SpecError) as refused:
        spec(**changes)
    assert says in str(refused.value)


def test_a_variant_that_a_person_wants_unjudged_needs_a_gate_that_is_switched_off() -> None:
    gates = spec(variants=["onnx"], gates=[{"kind": "better"}, {**AGREES, "mode": "off"}]).gates
    assert [gate.mode for gate in gates] == ["enforce", "off"]


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "PACKAGES", ("onnx", "not_here_at_all"))
    require_packages(())
    with pytest.raises(MissingExtra, match=r"need not_here_at_all: pip install 'llm-upkeep\[onnx\]'"):
        require_packages(("onnx",))
