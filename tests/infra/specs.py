"""The smallest spec."""

from typing import Any

from models.spec import ModelSpec, parse_spec


def spec_with(**changes: Any) -> ModelSpec:
    document = {"name": "x", "model": {"source": "m"}, "labels": ["a", "b"], "data": {"sources": ["x.csv"]},
                "columns": {"text": "text"}}  # fmt: skip
    return parse_spec({**document, **changes}, where="spec.yaml")
