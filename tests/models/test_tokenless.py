"""A text of which a tokenizer makes no token, since it knows none of its letters and has no word for what it does not know."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from models.adapter import Examples, adapter_for, quietly
from models.contracts import ModelKind
from models.generation import Generation
from models.recipe import Training
from models.text_pairs import Entailment
from tests.readers import tiny_reader
from tests.tiny import tiny_model, tiny_writer

CLASSIFIER = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=16, seed=1)
CHAT = ModelKind(task="causal-lm", labels=(), max_tokens=32, seed=1, truth="answer",
                 generation=Generation(max_new_tokens=6, chat=True))  # fmt: skip
TRANSLATION = CHAT.model_copy(update={"task": "translation", "generation": Generation(max_new_tokens=6)})
NOTHING, BESIDE = "éé", "the film was very very good"


def spelling(folder: Path) -> Path:
    """Gives a model a tokenizer of small Latin letters alone."""
    words = {name: i for i, name in enumerate(["[PAD]", "[X]", "[EOS]"])}
    letters = {chr(ord("a") + i): 3 + i for i in range(26)}
    made = Tokenizer(BPE(words | letters, []))
    made.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="[PAD]", eos_token="[EOS]")
    tokenizer.chat_template = "{% for turn in messages %}{{ turn['content'] }}{% endfor %}"
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "made"), [(CLASSIFIER, "bert"), (CLASSIFIER, "gpt2"), (CHAT, "chat"), (TRANSLATION, "t5")]
)
def test_it_is_answered_and_alike_alone_and_beside_longer_texts(kind: ModelKind, made: str, tmp_path: Path) -> None:
    if kind is CLASSIFIER:
        tiny_model(tmp_path, made, room=20)
    else:
        tiny_writer(tmp_path, "t5" if made == "t5" else "gpt2")
    model = adapter_for(kind.task).load(spelling(tmp_path), kind, new_head=True)
    labels = None if kind is CLASSIFIER else ["gut", "gut"]
    alone = model.predict([NOTHING], labels=labels and labels[:1], advance=quietly)
    beside = model.predict([NOTHING, BESIDE], labels=labels, advance=quietly)
    assert np.isfinite(alone.numbers).all() and alone.embeddings.any()
    assert np.allclose(beside.numbers[0], alone.numbers[0], atol=1e-5)
    assert np.allclose(beside.embeddings[0], alone.embeddings[0], atol=1e-5)
    assert (alone.texts or [None])[0] == (beside.texts or [None])[0]


def test_a_classifier_learns_from_it_as_from_any_other(tmp_path: Path) -> None:
    model = adapter_for(CLASSIFIER.task).load(spelling(tiny_model(tmp_path / "m", room=20)), CLASSIFIER, new_head=True)
    rows = Examples([NOTHING] * 4, ["negative", "positive"] * 2)
    training = Training.model_validate({"epochs": 1, "threads": 1})
    assert model.fine_tune(rows, rows, training=training, seed=1, work=tmp_path / "w", advance=quietly).cost.steps
    assert np.isfinite(model.predict([NOTHING], advance=quietly).numbers).all()


def test_two_of_them_are_a_pair_of_which_nothing_is_known(tmp_path: Path) -> None:
    model = Entailment(spelling(tiny_reader(tmp_path)))
    alone = model.probabilities([NOTHING], [NOTHING], advance=quietly)
    beside = model.probabilities([NOTHING, "good"], [NOTHING, "the film"], advance=quietly)
    assert np.allclose(alone, beside[:1], atol=1e-6)
