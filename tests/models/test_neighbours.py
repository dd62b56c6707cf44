"""A model whose answer to a row hangs on the rows beside it is refused as it is loaded, and no other is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    ConvBertConfig,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    set_seed,
)

from errors import ModelError
from models.adapter import adapter_for, quietly
from models.causal_lm import CausalLM
from models.contracts import ModelKind
from models.generation import Generation
from models.text_classification import TextClassifier
from models.text_pairs import Entailment
from tests.readers import NLI, tiny_reader
from tests.tiny import tiny_model, tiny_writer

CLASSES = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=32, seed=1)
WRITES = ModelKind(task="causal-lm", labels=(), max_tokens=32, seed=1, truth="text",
                   generation=Generation(max_new_tokens=4))  # fmt: skip
READS = WRITES.model_copy(update={"generation": Generation(max_new_tokens=0)})
TRANSLATES = WRITES.model_copy(update={"task": "translation", "truth": "answer"})
TEXTS = ["good", "the film was very very good and the plot was dull"]

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
         "max_position_embeddings": 64, "initializer_range": 0.3}  # fmt: skip
LLAMA = {**SMALL, "num_key_value_heads": 1, "head_dim": 8}
BART = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": 64, "init_std": 0.3}  # fmt: skip
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
LED = {**BART, "attention_window": 8, "max_encoder_position_embeddings": 64, "max_decoder_position_embeddings": 64}
XLNET = {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 32, "initializer_range": 0.3}
DECODERS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(["llama", "qwen2", "mistral", "gemma", "phi", "mixtral", "qwen2_moe"], LLAMA),
    "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 64},
    "opt": {**SMALL, "ffn_dim": 32, "word_embed_proj_dim": 16},
    "bloom": {"hidden_size": 16, "n_layer": 1, "n_head": 2},
}
ENCODERS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(["bert", "roberta", "xlm-roberta", "deberta-v2", "electra", "albert", "mpnet", "modernbert", "big_bird"], SMALL),
    "distilbert": {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32},
    "longformer": {**SMALL, "attention_window": 8},
}  # fmt: skip


def made(auto: Any, kind: str, sizes: dict[str, Any], folder: Path) -> Path:
    """With a tokenizer of words that ends no text."""
    tiny_model(folder) if auto is AutoModelForSequenceClassification else tiny_writer(folder)
    set_seed(0)
    words = len(AutoTokenizer.from_pretrained(folder))
    config = AutoConfig.for_model(
        kind, vocab_size=words, pad_token_id=0, bos_token_id=2, eos_token_id=2, decoder_start_token_id=2, **sizes
    )
    auto.from_config(config).save_pretrained(folder)
    return folder


def answers_alike(model: Any) -> bool:
    """Whether each text is answered alone as it is beside the other: by the numbers, the embedding and what is written."""
    beside = model.predict(TEXTS, advance=quietly)
    alone = [model.predict([text], advance=quietly) for text in TEXTS]
    numbers, embeddings = (np.concatenate([getattr(one, of) for one in alone]) for of in ("numbers", "embeddings"))
    written = [text for one in alone for text in one.texts or ()]
    return (np.allclose(numbers, beside.numbers, atol=1e-4, equal_nan=True) and list(beside.texts or ()) == written
            and np.allclose(embeddings, beside.embeddings, atol=1e-4))  # fmt: skip


@pytest.mark.parametrize("kind", ["convbert", "fnet", "nystromformer", "yoso"])
@pytest.mark.parametrize("new_head", [False, True])
def test_a_classifier_that_reads_what_pads_a_row_is_refused_by_name(kind: str, new_head: bool, tmp_path: Path) -> None:
    """By its convolutions, by Fourier's transform, or by hashes drawn anew for each batch."""
    made(AutoModelForSequenceClassification, kind, SMALL, tmp_path)
    with pytest.raises(ModelError, match=rf"(?i){kind}\w+, .*hangs on the longer ones .*begin with another kind"):
        TextClassifier.load(tmp_path, CLASSES, new_head=new_head)


@pytest.mark.parametrize(("kind", "sizes"), [*ENCODERS.items(), *DECODERS.items()])
def test_a_classifier_that_reads_a_row_alone_is_taken(kind: str, sizes: dict[str, Any], tmp_path: Path) -> None:
    model = TextClassifier.load(made(AutoModelForSequenceClassification, kind, sizes, tmp_path), CLASSES, new_head=True)
    assert kind == "qwen2" or answers_alike(model), (
        "its tokenizer transformers replaces by one that knows none of these words"
    )


def test_what_a_bigbird_says_of_a_long_text_does_not_hang_on_a_short_one_that_came_before(tmp_path: Path) -> None:
    """It reads sparsely, until it is given a short text."""
    folder = made(AutoModelForSequenceClassification, "big_bird", {**SMALL, "block_size": 2}, tmp_path)
    model = TextClassifier.load(folder, CLASSES, new_head=True)
    long = ["the film was very good " * 6]
    alone = model.predict(long, advance=quietly).numbers
    model.predict(["good"], advance=quietly)
    assert np.array_equal(model.predict(long, advance=quietly).numbers, alone)


@pytest.mark.parametrize("room", [1, 2, 3, 6])
def test_a_model_of_hardly_any_places_is_tried_within_them(room: int, tmp_path: Path) -> None:
    made(AutoModelForSequenceClassification, "bert", {**SMALL, "max_position_embeddings": room}, tmp_path)
    assert TextClassifier.load(tmp_path, CLASSES, new_head=True).max_tokens == room


def test_an_xlnet_whose_tokenizer_pads_behind_is_refused_with_the_line_that_mends_it(tmp_path: Path) -> None:
    """It answers from a row's last place."""
    made(AutoModelForSequenceClassification, "xlnet", XLNET, tmp_path)
    with pytest.raises(ModelError, match=r"as XLNet does, say padding_side: left in its tokenizer_config\.json"):
        TextClassifier.load(tmp_path, CLASSES, new_head=True)
    AutoTokenizer.from_pretrained(tmp_path, padding_side="left").save_pretrained(tmp_path)
    assert answers_alike(TextClassifier.load(tmp_path, CLASSES, new_head=True))


def test_a_reader_of_pairs_that_reads_what_pads_them_is_refused(tmp_path: Path) -> None:
    Entailment(tiny_reader(tmp_path))
    words = len(AutoTokenizer.from_pretrained(tmp_path))
    config = ConvBertConfig(**{**SMALL, "num_hidden_layers": 2}, vocab_size=words, id2label=dict(enumerate(NLI)))
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"ConvBertForSequenceClassification, .*name another kind of model"):
        Entailment(tmp_path)


@pytest.mark.parametrize("kind", ["bart", "bigbird_pegasus", "blenderbot", "blenderbot-small", "pegasus", "marian"])
def test_a_decoder_whose_places_count_what_pads_a_row_is_refused_where_it_writes(kind: str, tmp_path: Path) -> None:
    made(AutoModelForCausalLM, kind, BART, tmp_path)
    with pytest.raises(ModelError, match=r"ForCausalLM, .*GPT-2, Llama.*generation\.max_new_tokens: 0"):
        CausalLM.load(tmp_path, WRITES, new_head=False)
    CausalLM.load(tmp_path, READS, new_head=False)


@pytest.mark.parametrize("kind", [READS, WRITES])
def test_a_decoder_that_reads_what_is_padded_behind_a_row_is_refused_also_where_it_writes_nothing(
    kind: ModelKind, tmp_path: Path
) -> None:
    """CPM-Ant counts tokens by its padding's number."""
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "dim_head": 8, "dim_ff": 32, "num_hidden_layers": 1,
             "init_std": 0.3}  # fmt: skip
    made(AutoModelForCausalLM, "cpmant", sizes, tmp_path)
    with pytest.raises(ModelError, match=r"CpmAntForCausalLM, .*hangs on the longer ones.*Llama and their kind\)$"):
        CausalLM.load(tmp_path, kind, new_head=False)


@pytest.mark.parametrize(("kind", "sizes"), DECODERS.items())
def test_a_decoder_that_counts_a_rows_own_places_writes(kind: str, sizes: dict[str, Any], tmp_path: Path) -> None:
    made(AutoModelForCausalLM, kind, sizes, tmp_path)
    AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16).save_pretrained(tmp_path)
    assert answers_alike(CausalLM.load(tmp_path, WRITES, new_head=False))


@pytest.mark.parametrize(("kind", "sizes"), [
    ("t5", T5), ("led", LED), *((kind, BART) for kind in ["bart", "marian", "pegasus", "mbart", "m2m_100"]),
])  # fmt: skip
def test_an_encoder_decoder_that_reads_a_row_alone_is_taken(kind: str, sizes: dict[str, Any], tmp_path: Path) -> None:
    folder = made(AutoModelForSeq2SeqLM, kind, sizes, tmp_path)
    assert answers_alike(adapter_for("translation").load(folder, TRANSLATES, new_head=False))


@pytest.mark.parametrize("encoder", [BertConfig, ConvBertConfig])
def test_an_encoder_decoder_whose_encoder_reads_what_pads_a_row_is_refused(encoder: Any, tmp_path: Path) -> None:
    words = len(AutoTokenizer.from_pretrained(tiny_writer(tmp_path)))
    halves = [kind(**SMALL, vocab_size=words, pad_token_id=0) for kind in (encoder, BertConfig)]
    config = EncoderDecoderConfig.from_encoder_decoder_configs(*halves, decoder_start_token_id=2, eos_token_id=2)
    EncoderDecoderModel(config).save_pretrained(tmp_path)
    if encoder is BertConfig:
        adapter_for("translation").load(tmp_path, TRANSLATES, new_head=False)
        return
    with pytest.raises(ModelError, match=r"EncoderDecoderModel, .*begin with another kind of encoder-decoder"):
        adapter_for("translation").load(tmp_path, TRANSLATES, new_head=False)
