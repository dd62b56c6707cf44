"""`transformers serve`, a server that nobody here wrote, on loopback, and tiny chat models for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.hosted.gateway import free_port, serving
from models.adapter import Examples
from models.causal_lm import CausalLM
from models.contracts import ModelKind
from models.generation import Generation
from models.recipe import Training
from tests.tiny import stories, tiny_writer

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
WORDS = 6
"""Tokens of the longest answer."""


@contextmanager
def transformers_serve(log: Path) -> Iterator[str]:
    """The address of its API. A model's id is its folder."""
    with serving(free_port(), models=log.parent, log=log) as url:
        yield url


def chat_model(folder: Path, *, trained: bool) -> Path:
    """A tiny GPT-2 with a chat template; a trained one translates `stories` somewhat."""
    from transformers import AutoTokenizer

    tiny_writer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    if trained:
        _train(folder)
    return folder


def _train(folder: Path) -> None:
    asked = Generation(max_new_tokens=WORDS, chat=True)
    kind = ModelKind(task="causal-lm", labels=(), max_tokens=32, seed=3, truth="answer", generation=asked)
    rows = stories(600, start=50_000)
    lessons = [Examples(part["text"].tolist(), part["label"].tolist()) for part in (rows[:540], rows[540:])]
    model = CausalLM.load(folder, kind, new_head=False)
    training = Training(epochs=12, learning_rate=0.01, threads=1)
    model.fine_tune(*lessons, training=training, seed=3, work=folder.parent / "work", advance=lambda _: None)
    model.save(folder)
