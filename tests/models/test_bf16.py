"""Training as it is where a device computes in bf16, on any machine: that is autocast's affair, only slower elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from transformers import DebertaConfig, DebertaForSequenceClassification

from models import preparing
from models.adapter import Examples, adapter_for
from models.contracts import ModelKind
from models.generation import Generation
from models.recipe import Lora, Training
from tests.tiny import sentences, stories, tiny_model, tiny_writer

CLASSES = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=16, seed=1)
ANSWERS = ModelKind(task="causal-lm", labels=(), max_tokens=32, seed=1, truth="answer",
                    generation=Generation(max_new_tokens=6))  # fmt: skip
TRANSLATION = ANSWERS.model_copy(update={"task": "translation"})


def examples(kind: ModelKind, count: int, start: int = 0) -> Examples:
    rows = (sentences if kind.labels else stories)(count, start=start)
    return Examples(rows["text"].tolist(), rows["label"].tolist())


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize(("kind", "made"), [(CLASSES, "bert"), (ANSWERS, "gpt2"), (TRANSLATION, "t5")])
def test_a_model_that_was_trained_in_bf16_answers_in_single_precision_as_it_does_once_saved(
    kind: ModelKind, made: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "_has_bf16", lambda: True)
    base = (tiny_model if kind.labels else tiny_writer)(tmp_path / "base", made)
    model = adapter_for(kind.task).load(base, kind, new_head=bool(kind.labels))
    recipe = Training.model_validate({"epochs": 2, "learning_rate": 0.01, "threads": 1, "method": method,
                                      **({"lora": Lora(rank=2)} if method == "lora" else {})})  # fmt: skip
    trained = model.fine_tune(examples(kind, 64), examples(kind, 8, 64), training=recipe, seed=1, work=tmp_path / "w",
                              advance=lambda _: None)  # fmt: skip
    model.save(tmp_path / "saved")
    again = adapter_for(kind.task).load(tmp_path / "saved", kind, new_head=False)
    asked = examples(kind, 20, 100)
    labels = None if kind.labels else asked.labels
    now, then = (m.predict(asked.texts, labels=labels, advance=lambda _: None).numbers for m in (model, again))
    assert "bf16" in trained.recipe
    assert np.allclose(now, then, atol=1e-6)


def test_a_model_that_cannot_be_trained_in_bf16_is_trained_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "_has_bf16", lambda: True)
    folder = tiny_model(tmp_path)
    config = DebertaConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    DebertaForSequenceClassification(config).save_pretrained(folder)
    model, rows = adapter_for(CLASSES.task).load(folder, CLASSES, new_head=True), examples(CLASSES, 16)
    recipe = Training.model_validate({"epochs": 1, "threads": 1})
    trained = model.fine_tune(rows, rows, training=recipe, seed=1, work=tmp_path / "w", advance=lambda _: None)
    assert "fp32" in trained.recipe
