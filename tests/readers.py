"""Tiny models that read two texts together, random or trained, for what measures others."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.tiny import GERMAN, NAMES, WORDS

NLI = ("contradiction", "entailment", "neutral")
NOUNS, MOODS = ("film", "plot", "actor", "scene"), ("good", "great", "fine", "bad", "awful", "dull")


def tiny_reader(folder: Path, labels: Sequence[str] = NLI) -> Path:
    """A randomly initialised BERT of two layers that classifies pairs in the words of `stories`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast, set_seed

    vocabulary = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "[SEP]", *WORDS, *GERMAN.values(), *NAMES])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B:1 [SEP]:1", special_tokens=[("[SEP]", vocabulary["[SEP]"])]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]", model_max_length=48,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip
    set_seed(1)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, initializer_range=0.2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(labels)), label2id={name: i for i, name in enumerate(labels)},
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def entailing_reader(folder: Path) -> Path:
    """Learned that "the film was good" follows from itself, and from nothing that says otherwise of noun or mood."""
    said = [(noun, mood) for noun in NOUNS for mood in MOODS]
    pairs = [(one, other) for one, other in itertools.product(said, said)]
    same = [pair for pair in pairs if pair[0] == pair[1]]
    pairs += same * 12  # or one in 24 would be
    texts = [(_sentence(*one), _sentence(*other)) for one, other in pairs]
    return _train(tiny_reader(folder), texts, [1 if one == other else 0 for one, other in pairs], steps=500)


def praising_reader(folder: Path) -> Path:
    """A reward model that learned to like answers with the words of praise."""
    moods = {mood: float(i < 3) for i, mood in enumerate(MOODS)}
    texts = [(_sentence(noun, told), _sentence(noun, mood)) for noun in NOUNS for told in MOODS for mood in moods]
    scores = [moods[mood] for _ in NOUNS for _ in MOODS for mood in moods]
    return _train(tiny_reader(folder, ["score"]), texts, scores, steps=120)


def _sentence(noun: str, mood: str) -> str:
    return f"the {noun} was {mood}"


def _train(folder: Path, texts: list[tuple[str, str]], truth: list[Any], *, steps: int) -> Path:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model: Any = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    optimizer, generator = torch.optim.AdamW(model.parameters(), 2e-3), torch.Generator().manual_seed(1)
    inputs, labels = tokenizer(*zip(*texts, strict=True), return_tensors="pt", padding=True), torch.tensor(truth)
    for _ in range(steps):
        rows = torch.randint(len(texts), (64,), generator=generator)
        loss = model(**{name: held[rows] for name, held in inputs.items()}, labels=labels[rows]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder
