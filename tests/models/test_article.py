"""The founding article's worked example, GPT-2, as a maintained model: load, generate, add a head, fine-tune, evaluate.

A small configuration stands in for the hub's weights; with the hub at hand, `model.source: gpt2` is the same spec.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from transformers import GPT2ForSequenceClassification, GPT2LMHeadModel

from models.adapter import adapter_for, quietly
from models.contracts import ModelKind
from models.generation import Generation
from models.recipe import Training
from models.text_classification import TextClassifier
from tests.tiny import examples, tiny_writer

LABELS = ("negative", "positive")
GENERATING = ModelKind(
    task="causal-lm", labels=(), max_tokens=32, seed=1, truth="text", generation=Generation(max_new_tokens=8)
)
CLASSIFYING = ModelKind(task="text-classification", labels=LABELS, max_tokens=32, seed=1)


def test_gpt_2_generates_and_gets_a_head_is_fine_tuned_and_evaluated(tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path / "gpt2")
    assert type(adapter_for("causal-lm").load(folder, GENERATING, new_head=False).model) is GPT2LMHeadModel  # type: ignore[attr-defined]
    written = (
        adapter_for("causal-lm").load(folder, GENERATING, new_head=False).predict(["the film was"], advance=quietly)
    )
    assert written.texts is not None

    model = TextClassifier.load(folder, CLASSIFYING, new_head=True)
    assert type(model.model) is GPT2ForSequenceClassification
    assert (
        model.model.config.pad_token_id == model.tokenizer.pad_token_id
    )  # decoder-only: the last token is found by it
    learning = Training.model_validate({"epochs": 8, "learning_rate": 0.005, "threads": 1})
    model.fine_tune(examples(200), examples(40, 200), training=learning, seed=1, work=tmp_path / "w", advance=quietly)
    model.save(tmp_path / "saved")

    again, held_out = TextClassifier.load(tmp_path / "saved", CLASSIFYING, new_head=False), examples(100, 300)
    found = np.array(LABELS)[again.predict(held_out.texts, advance=quietly).numbers.argmax(1)]
    assert (found == np.array(held_out.labels)).mean() > 0.9
    weights = load_file(tmp_path / "saved" / "model.safetensors")  # without torch
    assert weights["score.weight"].shape == (2, 32)


def test_padding_changes_no_answer_of_a_decoder_without_a_pad_token(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = tiny_writer(tmp_path / "gpt2")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    model = TextClassifier.load(folder, CLASSIFYING, new_head=True)
    texts = ["the film was good", "bad", "the plot was very very dull and the actor was bad"]
    alone = np.concatenate([model.predict([text], advance=quietly).numbers for text in texts])
    assert np.allclose(model.predict(texts, advance=quietly).numbers, alone, atol=1e-5)
