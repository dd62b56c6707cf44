"""Rows with several labels: how they are written, and a tiny model that learns and says them."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import ModelError, SpecError
from models.adapter import Examples, quietly
from models.contracts import ModelKind
from models.label_sets import UnknownLabel, membership, read_labels, written
from models.recipe import Training
from models.spec import parse_spec
from models.text_classification import TextClassifier
from tests.tiny import tiny_model, topics

LABELS = ("film", "plot", "praise")
KIND = ModelKind(task="text-classification", labels=LABELS, max_tokens=16, seed=1, truth="labels")


@given(st.sets(st.sampled_from(LABELS)), st.randoms())
def test_labels_are_kept_in_the_specs_order_however_they_were_written(labels: set[str], random: object) -> None:
    some = sorted(labels, key=lambda _: random.random())  # type: ignore[attr-defined]
    kept = written([label in labels for label in LABELS], LABELS)
    assert read_labels(json.dumps(some), LABELS) == kept
    assert read_labels(kept, LABELS) == kept
    if some:
        assert read_labels(" | ".join(some), LABELS) == kept
    assert set(np.array(LABELS)[membership([kept], LABELS)[0]]) == labels


@pytest.mark.parametrize("cell", ["film|series", '["series"]', "[film", "film|", "[1]", "[" * 100_000])
def test_an_unknown_label_is_named(cell: str) -> None:
    with pytest.raises(UnknownLabel):
        read_labels(cell, LABELS)


def test_what_does_not_go_with_several_labels_is_refused_with_the_way_out() -> None:
    least = {"name": "m", "model": {"source": "m"}, "data": {"sources": ["d"]}, "columns": {"text": "t"},
             "labels": ["a", "b"], "labels_per_row": "many"}  # fmt: skip
    assert parse_spec(least, where="x").kind.metrics == ("micro_f1", "macro_f1", "exact_match", "auroc", "ece")
    for changes, said in (
        ({"labels": ["a|b", "c"]}, "rename it"),
        ({"training": {"sampling": "balanced"}}, "write class_weights: balanced, or drop it"),
        ({"gates": [{"kind": "better", "metric": "accuracy"}]}, "not measured"),
        ({"task": "causal-lm", "labels": []}, "drop it"),
        ({"task": "mine:Own"}, "write one"),
    ):
        with pytest.raises(SpecError, match=said):
            parse_spec({**least, **changes}, where="x")


def examples(count: int, start: int = 0) -> Examples:
    rows = topics(count, start=start)
    return Examples(rows["text"].tolist(), rows["label"].tolist())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora"])
def test_several_labels_are_learned_saved_and_said(method: str, tmp_path: Path) -> None:
    model = TextClassifier.load(tiny_model(tmp_path / "base"), KIND, new_head=True)
    settings = Training.model_validate({"epochs": 20, "learning_rate": 0.01, "threads": 1, "method": method})
    trained = model.fine_tune(
        examples(240), examples(60, 300), training=settings, seed=1, work=tmp_path / "w", advance=quietly
    )
    assert max(point.validation_accuracy or 0 for point in trained.curve) > 0.8
    model.save(tmp_path / "saved")
    again = TextClassifier.load(tmp_path / "saved", KIND, new_head=False)
    held_out = examples(100, 400)
    found = again.predict(held_out.texts, advance=quietly).numbers
    assert ((found >= 0.5) == membership(held_out.labels, LABELS)).mean() > 0.9
    assert (found.sum(1) > 1.2).any()  # no softmax
    with pytest.raises(ModelError, match="labels_per_row: one"):
        TextClassifier.load(tmp_path / "saved", KIND.model_copy(update={"truth": "label"}), new_head=False)
