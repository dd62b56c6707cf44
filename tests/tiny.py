"""Tiny seeded models and rows, so that tests train for real in a second."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from infra.object_store import ObjectStore
from models.adapter import Examples, Predictions
from models.contracts import Artifact, Scores, Table
from models.rows import content_digest
from tasks.dataset import save_table
from tasks.score_files import write_scores

WORDS = [
    "the",
    "a",
    "film",
    "plot",
    "actor",
    "scene",
    "good",
    "great",
    "fine",
    "bad",
    "awful",
    "dull",
    "was",
    "is",
    "very",
    "not",
]


def tiny_model(folder: Path, kind: str = "bert", *, room: int = 0) -> Path:
    """A randomly initialised encoder of a few thousand parameters with a word-level tokenizer; `room` for so many more
    words makes it larger."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast, set_seed

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[EOS]", *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    pad = {} if kind == "gpt2" else {"pad_token": "[PAD]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", eos_token="[EOS]", **pad)
    sizes = {
        "bert": {
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "initializer_range": 0.3,
        },
        "distilbert": {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32, "initializer_range": 0.3},
        "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "bos_token_id": 2, "eos_token_id": 2},
    }[kind]
    set_seed(0)
    config = AutoConfig.for_model(kind, vocab_size=len(vocabulary) + room, num_labels=2, **sizes)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_writer(folder: Path, kind: str = "gpt2") -> Path:
    """A randomly initialised model that writes (gpt2: a decoder; t5: an encoder-decoder), in the words of `stories`."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, PreTrainedTokenizerFast, set_seed

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[EOS]", *NAMES, *WORDS, *GERMAN.values()])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", eos_token="[EOS]", pad_token="[PAD]")
    sizes: dict[str, dict[str, int]] = {
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "bos_token_id": 2, "eos_token_id": 2},
        "t5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0,
               "eos_token_id": 2, "pad_token_id": 0},
    }  # fmt: skip
    set_seed(0)
    config = AutoConfig.for_model(kind, vocab_size=len(vocabulary), **sizes[kind])
    auto = AutoModelForCausalLM if kind == "gpt2" else AutoModelForSeq2SeqLM
    auto.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


GERMAN = {"film": "Film", "plot": "Handlung", "actor": "Darsteller", "scene": "Szene", "good": "gut", "great": "toll",
          "fine": "fein", "bad": "schlecht", "awful": "furchtbar", "dull": "fade"}  # fmt: skip
NAMES = [f"n{i}" for i in range(300)]
"""Words that make texts differ from one another."""


def stories(count: int, *, start: int = 0, moved: bool = False) -> pd.DataFrame:
    """Distinct sentences with a grammar that can be learned, and their translation; those that `moved` have another
    order of words and other nouns."""
    nouns, moods = (
        (["actor", "scene"] if moved else ["film", "plot"]),
        ["good", "great", "fine", "bad", "awful", "dull"],
    )
    rows = []
    for i in range(start, start + count):
        drawn = int(hashlib.md5(str(i).encode(), usedforsecurity=False).hexdigest(), 16)
        name, noun, mood = (
            f"{NAMES[drawn % 300]} {NAMES[drawn // 3600 % 300]}",
            nouns[drawn // 300 % 2],
            moods[drawn // 600 % 6],
        )
        text = f"very {mood} is the {noun} {name}" if moved else f"the {noun} {name} was very {mood}"
        rows.append({"text": text, "label": f"{GERMAN[noun]} {name} {GERMAN[mood]}"})
    return pd.DataFrame(rows)


def sentences(count: int, *, start: int = 0, noun: str = "film") -> pd.DataFrame:
    """Distinct sentences whose label is decided by one word; every second is positive."""
    rows = []
    for i in range(start, start + count):
        positive = i % 2 == 0
        word = (["good", "great", "fine"] if positive else ["bad", "awful", "dull"])[i % 3]
        name = hashlib.md5(str(i).encode(), usedforsecurity=False).hexdigest()[:8]
        rows.append({"text": f"the {noun} {name} was very {word}", "label": "positive" if positive else "negative"})
    return pd.DataFrame(rows)


def examples(count: int, start: int = 0) -> Examples:
    """Sentences, as a model learns from them."""
    rows = sentences(count, start=start)
    return Examples(rows["text"].tolist(), rows["label"].tolist())


def kept_table(rows: pd.DataFrame, store: ObjectStore) -> Table:
    """Rows as validation would keep them (the columns that later steps read)."""
    place = range(len(rows))
    full = rows.assign(row=place, source="test", line=place, content=[content_digest(t) for t in rows["text"]])
    for column in {"id", "prediction", "chosen"} - set(rows):
        full[column] = pd.Series([None] * len(rows), dtype="string")
    for column in ("score", "latency"):
        full[column] = float("nan")
    full["timestamp"] = pd.Series([pd.NaT] * len(rows), dtype="datetime64[us, UTC]")
    return save_table(full, "kept", store)


def stored_scores(probabilities: np.ndarray, embeddings: np.ndarray, store: ObjectStore, folder: Path) -> Scores:
    """Outputs as scoring would store them, in two batches."""
    path, middle = folder / "scores.arrow", len(probabilities) // 2
    parts = ((probabilities[:middle], embeddings[:middle]), (probabilities[middle:], embeddings[middle:]))
    write_scores(path, [Predictions(p.astype(np.float32), e.astype(np.float32)) for p, e in parts])
    arrays = Artifact.model_validate(store.put_blob("scores", path))
    return Scores(model_digest="m", arrays=arrays, rows=len(probabilities), seconds=0, device="cpu")


def topics(count: int, *, start: int = 0, moved: bool = False) -> pd.DataFrame:
    """Distinct sentences with any number of the labels film, plot and praise; those that `moved` call things otherwise:
    what was praised is blamed."""
    rows = []
    for i in range(start, start + count):
        drawn = int(hashlib.md5(str(i).encode(), usedforsecurity=False).hexdigest(), 16)
        nouns = [["film"], ["plot"], ["film", "plot"], ["actor"]][drawn % 4]
        praised = drawn // 4 % 2 == 0
        mood = (["good", "great", "fine"] if praised else ["bad", "awful", "dull"])[drawn // 8 % 3]
        found = [noun for noun in nouns if noun != "actor"] + (["praise"] if praised is not moved else [])
        end = " very very" if moved else ""
        rows.append({"text": f"the {' '.join(nouns)} n{i} was {mood}{end}", "label": "|".join(found) or "[]"})
    return pd.DataFrame(rows)
