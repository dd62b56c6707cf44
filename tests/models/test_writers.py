"""Models that write: what they are measured by, what they learn, and what they refuse."""

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertLMHeadModel,
    DataCollatorForSeq2Seq,
    FSMTConfig,
    FSMTForConditionalGeneration,
    Gemma3Config,
    LEDConfig,
    LEDForConditionalGeneration,
    MBartConfig,
    MBartForConditionalGeneration,
    MBartTokenizer,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    set_seed,
)

from errors import ModelError
from models import training as training_module
from models.adapter import Examples, adapter_for, quietly
from models.causal_lm import CausalLM
from models.contracts import ModelKind
from models.generation import Generation
from models.outputs import BYTES, CONFIDENCE, LOSS, TEXT_LOSS, TEXT_TOKENS, TOKENS, columns_of
from models.recipe import Lora, Training
from models.writing import token_losses, write
from tests.tiny import stories, tiny_writer

TEXTS = ModelKind(task="causal-lm", labels=(), max_tokens=32, seed=1, truth="text")
ANSWERS = TEXTS.model_copy(update={"truth": "answer", "generation": Generation(max_new_tokens=6)})
TRANSLATION = ModelKind(task="translation", labels=(), max_tokens=32, seed=1, truth="answer",
                        generation=Generation(max_new_tokens=6))  # fmt: skip


def examples(count: int, start: int = 0) -> Examples:
    rows = stories(count, start=start)
    return Examples(rows["text"].tolist(), rows["label"].tolist())


def training(**changes: object) -> Training:
    return Training.model_validate({"epochs": 30, "learning_rate": 0.01, "threads": 1, **changes})


def number(kind: ModelKind, numbers: np.ndarray, name: str) -> np.ndarray:
    return numbers[:, columns_of(kind).index(name)]


def test_the_loss_of_a_text_is_that_of_its_tokens_after_the_first_and_its_embedding_the_mean_of_all(
    tmp_path: Path,
) -> None:
    folder = tiny_writer(tmp_path)
    texts = ["the film n1 was very good", "the plot"]
    found = adapter_for("causal-lm").load(folder, TEXTS, new_head=False).predict(texts, advance=quietly)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for i, text in enumerate(texts):
        ids = torch.tensor([[2, *tokenizer(text)["input_ids"], 2]])
        with torch.inference_mode():
            said = model(input_ids=ids, labels=ids, output_hidden_states=True)
        tokens = ids.shape[1] - 1
        assert number(TEXTS, found.numbers, LOSS)[i] == pytest.approx(said.loss.item() * tokens, rel=1e-4)
        assert np.allclose(found.embeddings[i], said.hidden_states[-1][0].mean(0), atol=1e-5)
        assert (number(TEXTS, found.numbers, TOKENS)[i], number(TEXTS, found.numbers, BYTES)[i]) == (tokens, len(text))
    assert found.texts is None


def test_only_the_answer_counts_where_rows_have_answers_and_a_row_without_one_has_no_loss(tmp_path: Path) -> None:
    model: Any = adapter_for("causal-lm").load(tiny_writer(tmp_path), ANSWERS, new_head=False)
    texts = ["the film n1 was very good"] * 3
    found = model.predict(texts, labels=["Film n1 gut", "gut", None], advance=quietly)
    assert number(ANSWERS, found.numbers, TOKENS)[:2].tolist() == [4, 2]  # with the end of the sequence
    assert math.isnan(number(ANSWERS, found.numbers, LOSS)[2])
    given = number(ANSWERS, found.numbers, TEXT_LOSS)
    assert given == pytest.approx([given[0]] * 3, rel=1e-4)
    assert np.allclose(found.embeddings, found.embeddings[0], atol=1e-5)  # no answer shines through


@pytest.mark.parametrize(("kind", "made"), [(ANSWERS, "gpt2"), (TRANSLATION, "t5")])
def test_the_confidence_in_an_answer_is_the_geometric_mean_of_its_tokens_probabilities(
    kind: ModelKind, made: str, tmp_path: Path
) -> None:
    model: Any = adapter_for(kind.task).load(tiny_writer(tmp_path, made), kind, new_head=False)
    texts = ["the film n1 was very good", "bad plot", "n7"]
    found = model.predict(texts, advance=quietly)
    for i, text in enumerate(texts):
        given = model.tokenizer(text)["input_ids"] if made == "t5" else model.sequences.prompts.of(text, room=32)
        said = model.model.generate(torch.tensor([given]), max_new_tokens=6, do_sample=False, return_dict_in_generate=True,
                                    output_logits=True)  # fmt: skip
        written = said.sequences[0, -len(said.logits) :]
        sure = torch.stack([step[0].log_softmax(-1)[token] for step, token in zip(said.logits, written, strict=True)])
        assert number(kind, found.numbers, CONFIDENCE)[i] == pytest.approx(sure.mean().exp().item(), rel=1e-3)
        assert (found.texts or ())[i] == model.tokenizer.decode(written, skip_special_tokens=True)


@torch.inference_mode()
def test_answers_of_different_lengths_beside_one_another_are_each_as_sure_as_alone(tmp_path: Path) -> None:
    model: Any = adapter_for("translation").load(tiny_writer(tmp_path, "t5"), TRANSLATION, new_head=False)
    tokens, said = model._tokenize(["the film was good", "bad plot"]), [[5, 6, 2], [7]]
    alone = [model._confidence(*model._encode([ids]), [row])[0] for ids, row in zip(tokens, said, strict=True)]
    assert np.allclose(model._confidence(*model._encode(tokens), said), alone, rtol=1e-4)


@pytest.mark.parametrize("as_decoder", [False, True])
def test_an_encoder_that_would_see_what_it_is_to_guess_is_refused_unless_it_is_a_decoder(
    as_decoder: bool, tmp_path: Path
) -> None:
    folder = tiny_writer(tmp_path)
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, is_decoder=as_decoder,
                        vocab_size=len(AutoTokenizer.from_pretrained(folder)))  # fmt: skip
    BertLMHeadModel(config).save_pretrained(folder)
    if as_decoder:
        CausalLM.load(folder, TEXTS, new_head=False)
        return
    with pytest.raises(ModelError, match=r"BertLMHeadModel that sees the tokens behind.*is_decoder: true"):
        CausalLM.load(folder, TEXTS, new_head=False)


@pytest.mark.parametrize("kind", [TEXTS, ANSWERS], ids=["texts", "answers"])
def test_what_a_row_is_padded_with_changes_no_number(kind: ModelKind, tmp_path: Path) -> None:
    kind = kind.model_copy(update={"generation": Generation(max_new_tokens=6, beams=2)})
    model: Any = adapter_for("causal-lm").load(tiny_writer(tmp_path), kind, new_head=False)
    rows = examples(20)
    labels = [*rows.labels[:19], "gut"]
    texts = [*rows.texts[:19], "good"]
    together = model.predict(texts, labels=labels, advance=quietly)
    alone = [model.predict([t], labels=[a], advance=quietly) for t, a in zip(texts, labels, strict=True)]
    assert np.allclose(together.numbers, np.concatenate([one.numbers for one in alone]), rtol=1e-3, atol=1e-4)
    assert list(together.texts or ()) == [text for one in alone for text in one.texts or ()]


@pytest.mark.parametrize(("kind", "made"), [(TEXTS, "gpt2"), (ANSWERS, "gpt2"), (TRANSLATION, "t5")])
def test_what_is_learned_of_a_row_is_the_same_beside_longer_ones_where_the_tokenizer_pads_at_the_beginning(
    kind: ModelKind, made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GPT-2 counts places from the padding, and T5's answer would begin with it. The release is padded as its source is."""
    folder = tiny_writer(tmp_path / "base", made)
    AutoTokenizer.from_pretrained(folder, padding_side="left").save_pretrained(folder)
    kind = kind.model_copy(update={"generation": kind.generation.model_copy(update={"packing": False})})
    model: Any = adapter_for(kind.task).load(folder, kind, new_head=False)
    lessons: list[Any] = []
    monkeypatch.setattr(training_module, "fine_tune", lambda model, lesson, **_: (model, lessons.append(lesson)))
    rows = Examples(["good", "the film n1 was very very very good"], ["gut", "Film n1 gut gut gut"])
    model.fine_tune(rows, rows, training=training(), seed=1, work=tmp_path / "w", advance=quietly)
    learned = [{name: row[name] for name in ("input_ids", "labels")} for row in lessons[0].train]
    losses = []
    for batch in (learned[:1], learned):
        given = lessons[0].collator([dict(row) for row in batch])
        logits, labels = model.model.eval()(**given).logits[:1], given["labels"][:1]
        shift = 0 if made == "t5" else 1
        losses.append(token_losses(logits[:, : labels.shape[1] - shift], labels[:, shift:]).sum().item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    model.save(tmp_path / "saved")
    assert AutoTokenizer.from_pretrained(tmp_path / "saved").padding_side == "left"


@pytest.mark.parametrize("packing", [True, False])
def test_going_on_with_pretraining_lowers_the_loss(packing: bool, tmp_path: Path) -> None:
    kind = TEXTS.model_copy(update={"generation": Generation(max_new_tokens=0, packing=packing)})
    model: Any = adapter_for("causal-lm").load(tiny_writer(tmp_path / "base"), kind, new_head=False)
    held_out = examples(40, 400)
    before = model.predict(held_out.texts, advance=quietly).numbers
    model.fine_tune(
        examples(200), examples(40, 200), training=training(epochs=6), seed=1, work=tmp_path / "w", advance=quietly
    )
    after = model.predict(held_out.texts, advance=quietly).numbers
    assert number(kind, after, LOSS).sum() < 0.7 * number(kind, before, LOSS).sum()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "made"), [(ANSWERS, "gpt2"), (TRANSLATION, "t5")])
def test_a_model_learns_to_write_the_answer_and_survives_being_saved(
    kind: ModelKind, made: str, tmp_path: Path
) -> None:
    model: Any = adapter_for(kind.task).load(tiny_writer(tmp_path / "base", made), kind, new_head=False)
    model.fine_tune(examples(300), examples(30, 300), training=training(), seed=1, work=tmp_path / "w", advance=quietly)
    model.save(tmp_path / "saved")
    again = adapter_for(kind.task).load(tmp_path / "saved", kind, new_head=False)
    asked = examples(20)
    found = again.predict(asked.texts, labels=asked.labels, advance=quietly)
    moods = [label.split()[-1] for label in asked.labels]
    said = [text.split()[-1:] for text in found.texts or ()]
    assert sum([mood] == last for mood, last in zip(moods, said, strict=True)) >= 15
    sure = number(kind, found.numbers, CONFIDENCE)
    assert ((sure > 0) & (sure <= 1)).all()
    assert all(array.dtype == np.float32 for array in load_file(tmp_path / "saved" / "model.safetensors").values())


@pytest.mark.parametrize(("kind", "made"), [(ANSWERS, "gpt2"), (TRANSLATION, "t5")])
def test_lora_leaves_a_plain_model_behind(kind: ModelKind, made: str, tmp_path: Path) -> None:
    model: Any = adapter_for(kind.task).load(tiny_writer(tmp_path / "base", made), kind, new_head=False)
    recipe = training(method="lora", lora=Lora(rank=2), epochs=1)
    model.fine_tune(examples(32), examples(8, 32), training=recipe, seed=1, work=tmp_path / "w", advance=quietly)
    model.save(tmp_path / "saved")
    assert not list((tmp_path / "saved").glob("adapter*"))
    adapter_for(kind.task).load(tmp_path / "saved", kind, new_head=False)


def test_a_long_document_is_cut_and_what_the_prompt_says_around_it_stays(tmp_path: Path) -> None:
    kind = ANSWERS.model_copy(
        update={"generation": Generation(max_new_tokens=6, prompt="bad {text} good"), "max_tokens": 20}
    )
    model: Any = adapter_for("causal-lm").load(tiny_writer(tmp_path), kind, new_head=False)
    row = model.sequences.of("film " * 500, "gut " * 500)
    words = model.tokenizer.decode(row.given).split()
    assert (words[1], words[-1], len(row.ids)) == ("bad", "good", 20)
    assert row.size == len("gut " * 10) - 1
    assert len(model.predict(["film " * 500], labels=["gut"], advance=quietly).texts or ()) == 1


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("prompt", "words"), [("bad {text} good", 30), ("bad {text}", 31), ("{text} good", 31),
                                               ("{text} {text}", 16)])  # fmt: skip
def test_what_an_encoder_decoder_is_asked_around_a_long_document_stays_whichever_end_its_tokenizer_cuts(
    prompt: str, words: int, side: str, tmp_path: Path
) -> None:
    folder = tiny_writer(tmp_path, "t5")
    AutoTokenizer.from_pretrained(folder, truncation_side=side).save_pretrained(folder)
    kind = TRANSLATION.model_copy(update={"generation": Generation(max_new_tokens=6, prompt=prompt)})
    model: Any = adapter_for("translation").load(folder, kind, new_head=False)
    short, long = (model.tokenizer.decode(ids) for ids in model._tokenize(["film", "film " * 500]))
    assert short == prompt.replace("{text}", "film")
    assert long == prompt.replace("{text}", " ".join(["film"] * words))


@pytest.mark.parametrize("side", ["right", "left"])
def test_of_a_long_document_alone_an_encoder_decoder_reads_the_end_that_its_tokenizer_leaves(
    side: str, tmp_path: Path
) -> None:
    folder = tiny_writer(tmp_path, "t5")
    AutoTokenizer.from_pretrained(folder, truncation_side=side).save_pretrained(folder)
    model: Any = adapter_for("translation").load(folder, TRANSLATION, new_head=False)
    words = model.tokenizer.decode(model._tokenize(["film" + " very" * 500 + " good"])[0]).split()
    assert (len(words), words[0], words[-1]) == (32, *(("film", "very") if side == "right" else ("very", "good")))


def test_a_prompt_that_leaves_an_encoder_no_room_for_a_text_is_refused_with_both_numbers(tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path, "t5")
    for words, fits in ((31, True), (32, False)):
        asked = Generation(max_new_tokens=6, prompt=f"{'good ' * words}{{text}}")
        kind = TRANSLATION.model_copy(update={"generation": asked})
        if fits:
            adapter_for("translation").load(folder, kind, new_head=False)
            continue
        with pytest.raises(
            ModelError, match=r"no room for a text: it takes 32 tokens.*has 32 positions; write a shorter"
        ):
            adapter_for("translation").load(folder, kind, new_head=False)


@pytest.mark.parametrize("prompt", ["bad {text} good", "{text} bad {text} good"])
def test_what_the_prompt_says_stays_where_a_cut_text_has_more_tokens_than_it_was_cut_to(
    prompt: str, tmp_path: Path
) -> None:
    """Half of a Chinese character, of which a byte-level tokenizer makes three tokens, becomes one that is three."""
    alphabet = ByteLevel.alphabet()
    backend = Tokenizer(BPE({letter: i for i, letter in enumerate(sorted(alphabet))}, []))
    backend.pre_tokenizer, backend.decoder = ByteLevel(add_prefix_space=False), ByteLevelDecoder()
    folder = tiny_writer(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="!", bos_token="!").save_pretrained(folder)
    kind = ANSWERS.model_copy(update={"generation": Generation(max_new_tokens=6, prompt=prompt), "max_tokens": 64})
    model = CausalLM.load(folder, kind, new_head=False)
    for room in range(40, 50):
        given = model.sequences.prompts.of("好看的电影" * 20, room=room)
        said = model.tokenizer.decode(given)
        assert said.endswith(" good") and "好" in said
        assert room - 10 < len(given) <= room
    for room in range(model.sequences.prompts.around, 40):  # down to none for the text
        given = model.sequences.prompts.of("好看的电影" * 20, room=room)
        assert model.tokenizer.decode(given).endswith(" good") and len(given) <= room


_SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 24}


@pytest.mark.parametrize("config", [
    OPTConfig(**_SMALL, ffn_dim=32, word_embed_proj_dim=8, vocab_size=400, pad_token_id=0),
    Gemma3Config(text_config={**_SMALL, "intermediate_size": 32, "num_key_value_heads": 1, "head_dim": 8, "vocab_size": 400},
                 vision_config={"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
                                "image_size": 28, "patch_size": 14}, mm_tokens_per_image=4),
], ids=["narrower at its end", "sees as well"])  # fmt: skip
def test_the_width_and_positions_of_a_language_model_are_those_of_its_language_part(
    config: PreTrainedConfig, tmp_path: Path
) -> None:
    folder = tiny_writer(tmp_path)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    model: Any = adapter_for("causal-lm").load(folder, ANSWERS, new_head=False)
    found = model.predict(["film " * 100], labels=["gut"], advance=quietly)
    assert found.embeddings.any() and found.embeddings.shape[0] == 1
    assert model.max_tokens == 24


def test_an_encoder_and_a_decoder_have_their_own_number_of_positions(tmp_path: Path) -> None:
    from transformers import BertConfig, EncoderDecoderConfig, EncoderDecoderModel

    folder = tiny_writer(tmp_path, "t5")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
             "vocab_size": len(AutoTokenizer.from_pretrained(folder))}  # fmt: skip
    reads, writes = BertConfig(**sizes, max_position_embeddings=24), BertConfig(**sizes, max_position_embeddings=8)
    config = EncoderDecoderConfig.from_encoder_decoder_configs(reads, writes)
    config.decoder_start_token_id, config.eos_token_id, config.pad_token_id = 0, 2, 0
    EncoderDecoderModel(config=config).save_pretrained(folder)
    model: Any = adapter_for("translation").load(folder, TRANSLATION, new_head=False)
    assert len(model.predict(["film " * 500], advance=quietly).texts or ()) == 1
    longest = TRANSLATION.model_copy(update={"generation": Generation(max_new_tokens=8)})
    fits = adapter_for("translation").load(folder, longest, new_head=False)
    assert len(fits.predict(["film"], advance=quietly).texts or ()) == 1
    longer = TRANSLATION.model_copy(update={"generation": Generation(max_new_tokens=9)})
    with pytest.raises(ModelError, match="the decoder has 8 positions; write 8 or less"):
        adapter_for("translation").load(folder, longer, new_head=False)


def test_mbart_learns_to_begin_with_the_mark_of_the_language_as_it_is_asked_to(tmp_path: Path) -> None:
    """Its tokenizer writes that mark behind the end, and its decoder is given a row's last token first."""
    words = ["<s>", "<pad>", "</s>", "<unk>", *(f"▁{word}" for word in ("the", "film", "Film", "gut"))]
    tokenizer = MBartTokenizer(vocab=[(word, 0.0) for word in words], src_lang="en_XX", tgt_lang="de_DE")
    tokenizer.save_pretrained(tmp_path)
    german = tokenizer.convert_tokens_to_ids("de_DE")
    config = MBartConfig(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, pad_token_id=1, eos_token_id=2,
        decoder_start_token_id=german,
    )  # fmt: skip
    MBartForConditionalGeneration(config).save_pretrained(tmp_path)
    model: Any = adapter_for("translation").load(tmp_path, TRANSLATION, new_head=False)
    rows = model._dataset(Examples(["the film"], ["Film gut"]))
    given = DataCollatorForSeq2Seq(model.tokenizer, model=model.model)([rows[0]])["decoder_input_ids"][0]
    assert tokenizer.convert_ids_to_tokens(rows[0]["labels"]) == ["▁Film", "▁gut", "</s>", "de_DE"]
    assert given[0] == german


def tiny_bart(tmp_path: Path) -> Path:
    """Random weights; its encoder counts places, and its decoder is given the end first."""
    folder = tiny_writer(tmp_path, "t5")
    config = BartConfig(
        vocab_size=len(AutoTokenizer.from_pretrained(folder)), d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, init_std=0.5,
        pad_token_id=0, bos_token_id=2, eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=None,
    )  # fmt: skip
    set_seed(0)
    BartForConditionalGeneration(config).save_pretrained(folder)
    return folder


def test_an_answer_that_begins_with_the_token_by_which_answers_end_is_written_whole(tmp_path: Path) -> None:
    """BART's, LED's and mBART-50's decoders are given the end first."""
    folder = tiny_bart(tmp_path)
    model: Any = adapter_for("translation").load(folder, TRANSLATION, new_head=False)
    texts = ["the film was good", "very bad plot"]
    found = model.predict(texts, advance=quietly)
    for text, said in zip(texts, found.texts or (), strict=True):
        tokens = torch.tensor([model.tokenizer(text)["input_ids"]])
        whole = model.model.generate(input_ids=tokens, max_new_tokens=model.new_tokens)[0]
        assert said == model.tokenizer.decode(whole, skip_special_tokens=True) != ""
    assert 0 < found.numbers.max() < 1


def test_a_text_is_read_alike_beside_longer_ones_where_an_encoder_counts_places_and_its_tokenizer_pads_before(
    tmp_path: Path,
) -> None:
    folder = tiny_bart(tmp_path)
    AutoTokenizer.from_pretrained(folder, padding_side="left").save_pretrained(folder)
    texts = ["good", "the film was very good"]
    model = adapter_for("translation").load(folder, TRANSLATION, new_head=False)
    alone = np.concatenate([model.predict([text], advance=quietly).embeddings for text in texts])
    assert np.allclose(model.predict(texts, advance=quietly).embeddings, alone, atol=1e-5)


def test_leds_encoder_and_decoder_have_their_own_number_of_positions(tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path, "t5")
    config = LEDConfig(
        vocab_size=len(AutoTokenizer.from_pretrained(folder)), d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, attention_window=[4],
        max_encoder_position_embeddings=24, max_decoder_position_embeddings=8, pad_token_id=0, eos_token_id=2,
    )  # fmt: skip
    LEDForConditionalGeneration(config).save_pretrained(folder)
    model: Any = adapter_for("translation").load(folder, TRANSLATION, new_head=False)
    assert len(model.predict(["film " * 500], advance=quietly).texts or ()) == 1
    longer = TRANSLATION.model_copy(update={"generation": Generation(max_new_tokens=9)})
    with pytest.raises(ModelError, match="the decoder has 8 positions; write 8 or less"):
        adapter_for("translation").load(folder, longer, new_head=False)


def test_a_model_whose_halves_have_no_configuration_of_their_own_writes(tmp_path: Path) -> None:
    """FSMT's, with which WMT's translations were won."""
    folder = tiny_writer(tmp_path, "t5")
    words = len(AutoTokenizer.from_pretrained(folder))
    config = FSMTConfig(
        src_vocab_size=words, tgt_vocab_size=words, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, pad_token_id=0, bos_token_id=2, eos_token_id=2,
        decoder_start_token_id=2, max_position_embeddings=24,
    )  # fmt: skip
    FSMTForConditionalGeneration(config).save_pretrained(folder)
    model = adapter_for("translation").load(folder, TRANSLATION, new_head=False)
    assert len(model.predict(["film " * 500], advance=quietly).texts or ()) == 1


@pytest.mark.parametrize(("kind", "made", "name"), [(TEXTS, "gpt2", "transformer.h.0.attn.c_attn.weight"),
                                                    (TRANSLATION, "t5", "decoder.final_layer_norm.weight")])  # fmt: skip
def test_a_source_without_a_part_of_its_weights_is_refused(
    kind: ModelKind, made: str, name: str, tmp_path: Path
) -> None:
    """transformers would fill them with noise and say nothing."""
    file = tiny_writer(tmp_path, made) / "model.safetensors"
    weights = load_file(file)
    weights.pop(name)
    save_file(weights, file)
    with pytest.raises(ModelError, match=f"no weights for {name}"):
        adapter_for(kind.task).load(tmp_path, kind, new_head=True)


@pytest.mark.parametrize("odd", [
    {"return_dict_in_generate": True, "output_scores": True}, {"num_return_sequences": 2, "num_beams": 2},
    {"max_time": 1e-9}, {"prompt_lookup_num_tokens": 2}, {"cache_implementation": "offloaded"},
    {"is_assistant": True, "num_assistant_tokens": 3}, {"do_sample": True, "temperature": 0.7},
], ids=lambda odd: next(iter(odd)))  # fmt: skip
@pytest.mark.parametrize(("kind", "made"), [(ANSWERS, "gpt2"), (TRANSLATION, "t5")], ids=["gpt2", "t5"])
def test_how_a_source_would_have_its_answers_computed_changes_none(
    kind: ModelKind, made: str, odd: dict[str, object], tmp_path: Path
) -> None:
    folder, texts = tiny_writer(tmp_path, made), examples(5).texts
    plain = adapter_for(kind.task).load(folder, kind, new_head=False).predict(texts, advance=quietly)
    _ask(folder, odd)
    assert (
        adapter_for(kind.task).load(folder, kind, new_head=False).predict(texts, advance=quietly).texts == plain.texts
    )


@pytest.mark.parametrize("odd", [{"stop_strings": ["Film"]}, {"force_words_ids": [[5]]}, {"token_healing": True}],
                         ids=lambda odd: next(iter(odd)))  # fmt: skip
@pytest.mark.parametrize(("kind", "made"), [(ANSWERS, "gpt2"), (TRANSLATION, "t5")], ids=["gpt2", "t5"])
def test_what_a_source_would_have_its_answers_be_and_nobody_can_do_here_is_told_when_it_is_loaded(
    kind: ModelKind, made: str, odd: dict[str, object], tmp_path: Path
) -> None:
    folder = tiny_writer(tmp_path, made)
    _ask(folder, odd)
    with pytest.raises(
        ModelError, match=r"(?s)generation_config.json asks for what cannot be done here: .*Take that field"
    ):
        adapter_for(kind.task).load(folder, kind, new_head=False)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize(("kind", "made"), [(ANSWERS, "gpt2"), (TRANSLATION, "t5")], ids=["gpt2", "t5"])
def test_a_decoding_that_needs_code_from_the_hub_is_refused_by_its_field_also_beside_beams_which_would_pass_it_over(
    kind: ModelKind, made: str, beams: int, tmp_path: Path
) -> None:
    folder = tiny_writer(tmp_path, made)
    _ask(folder, {"dola_layers": "low"})
    kind = kind.model_copy(update={"generation": Generation(max_new_tokens=6, beams=beams)})
    with pytest.raises(ModelError, match=r"cannot be done here: dola_layers: 'low' .*Take that field out"):
        adapter_for(kind.task).load(folder, kind, new_head=False)


@pytest.mark.parametrize("told", [[0], [0, 5], []], ids=str)
@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
def test_several_tokens_to_begin_an_answer_with_are_refused_by_their_field(
    file: str, told: list[int], tmp_path: Path
) -> None:
    """transformers takes one for each row of a batch; two passed the two rows that are tried as it is loaded."""
    folder = tiny_writer(tmp_path, "t5")
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | {"decoder_start_token_id": told}))
    with pytest.raises(ModelError, match=rf"decoder_start_token_id: {re.escape(str(told))}.*one number"):
        adapter_for("translation").load(folder, TRANSLATION, new_head=False)


@pytest.mark.parametrize("field", ["decoder_start_token_id", "forced_eos_token_id"])
def test_a_token_that_the_model_does_not_have_is_told_when_it_is_loaded(field: str, tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path, "t5")
    _ask(folder, {field: 10**6})
    with pytest.raises(
        ModelError, match=r"generation_config.json asks for what cannot be done here: .*Take that field"
    ):
        adapter_for("translation").load(folder, TRANSLATION, new_head=False)


def _ask(folder: Path, odd: dict[str, object]) -> None:
    file = folder / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | odd))


def test_a_tokenizer_that_grew_is_refused_with_the_way_out(tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["newer", "newest"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match=r"\('newest'\), .*resize_token_embeddings"):
        adapter_for("causal-lm").load(folder, TEXTS, new_head=False)


def test_a_tokenizer_is_refused_by_its_highest_number_though_it_has_fewer_tokens_than_the_model_rows(
    tmp_path: Path,
) -> None:
    """One from which words were taken, and the others kept their numbers."""
    file = tiny_writer(tmp_path) / "tokenizer.json"
    told = json.loads(file.read_text())
    words = told["model"]["vocab"]
    rows = len(words)
    words["dull"] = rows
    file.write_text(json.dumps(told))
    with pytest.raises(
        ModelError, match=rf"{rows} tokens from 0 to {rows} \(.*\), .* has {rows} rows\..*embeddings\({rows + 1}\)"
    ):
        adapter_for("causal-lm").load(tmp_path, TEXTS, new_head=False)
    words["dull"] = rows - 2
    file.write_text(json.dumps(told))
    adapter_for("causal-lm").load(tmp_path, TEXTS, new_head=False)


def test_a_tokenizer_without_a_pad_token_pads_with_its_end(tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    model: Any = adapter_for("causal-lm").load(folder, ANSWERS, new_head=False)
    rows = examples(3)
    assert len(model.predict(rows.texts, labels=rows.labels, advance=quietly).texts or ()) == 3


def test_a_tokenizer_that_pads_and_ends_nothing_is_refused(tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match="no end-of-sequence token, so no answer would ever end; add one"):
        adapter_for("causal-lm").load(folder, TEXTS, new_head=False)


def test_chat_without_a_template_and_a_text_without_room_are_refused(tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path)
    chat = ANSWERS.model_copy(update={"generation": Generation(max_new_tokens=6, chat=True)})
    with pytest.raises(ModelError, match="no chat template"):
        adapter_for("causal-lm").load(folder, chat, new_head=False)
    long = ANSWERS.model_copy(update={"generation": Generation(max_new_tokens=32)})
    with pytest.raises(ModelError, match="no room for a text"):
        adapter_for("causal-lm").load(folder, long, new_head=False)


def test_a_prompt_that_leaves_no_room_for_a_text_is_refused_with_both_numbers(tmp_path: Path) -> None:
    """Every row would be asked the same, the beginning of the prompt."""
    folder = tiny_writer(tmp_path)
    for words, fits in ((24, True), (25, False)):
        prompt = f"{'good ' * words}{{text}}"
        kind = ANSWERS.model_copy(update={"generation": Generation(max_new_tokens=6, prompt=prompt)})
        if fits:
            adapter_for("causal-lm").load(folder, kind, new_head=False)
            continue
        with pytest.raises(ModelError, match=r"no room for a text.*the prompt takes 26 tokens.*32 positions"):
            adapter_for("causal-lm").load(folder, kind, new_head=False)


@pytest.mark.parametrize(("in_config", "in_generation"), [
    ({}, {"eos_token_id": 2, "decoder_start_token_id": 0}), ({}, {"eos_token_id": [2, 7], "decoder_start_token_id": 0}),
    ({"eos_token_id": [2, 7], "decoder_start_token_id": 0}, {}),
])  # fmt: skip
def test_where_an_encoder_decoder_begins_and_ends_may_stand_in_either_configuration(
    in_config: dict[str, object], in_generation: dict[str, object], tmp_path: Path
) -> None:
    folder = tiny_writer(tmp_path, "t5")
    for name, told in (("config.json", in_config), ("generation_config.json", in_generation)):
        written = json.loads((folder / name).read_text())
        kept = {field: v for field, v in written.items() if field not in {"eos_token_id", "decoder_start_token_id"}}
        (folder / name).write_text(json.dumps(kept | told))
    model, rows = adapter_for("translation").load(folder, TRANSLATION, new_head=False), examples(16)
    model.fine_tune(rows, rows, training=training(epochs=1), seed=1, work=tmp_path / "w", advance=quietly)
    said = model.predict(rows.texts, advance=quietly).texts
    model.save(tmp_path / "saved")
    again = adapter_for("translation").load(tmp_path / "saved", TRANSLATION, new_head=False)
    assert again.predict(rows.texts, advance=quietly).texts == said


@pytest.mark.parametrize(("name", "told"), [("decoder_start_token_id", "begin"), ("eos_token_id", "end")])
def test_an_encoder_decoder_of_which_nothing_says_where_it_begins_or_ends_is_refused(
    name: str, told: str, tmp_path: Path
) -> None:
    folder = tiny_writer(tmp_path, "t5")
    for file in (folder / "config.json", folder / "generation_config.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {name: None}))
    with pytest.raises(ModelError, match=rf"has no {name}: a decoder cannot tell where to {told}; set it"):
        adapter_for("translation").load(folder, TRANSLATION, new_head=False)


def test_an_answer_to_learn_is_cut_so_that_its_end_has_room(tmp_path: Path) -> None:
    model: Any = adapter_for("translation").load(tiny_writer(tmp_path, "t5"), TRANSLATION, new_head=False)
    rows = model._dataset(Examples(["film", "film"], ["gut " * 20, "gut"]))
    gut = model.tokenizer("gut")["input_ids"]
    assert rows["labels"][:] == [[*gut * 5, 2], [*gut, 2]]


@pytest.mark.parametrize(("kind", "number"), [("t5", "num_decoder_layers"), ("bart", "decoder_layers")])
def test_an_encoder_decoder_whose_decoder_has_no_layer_is_refused_as_such(
    kind: str, number: str, tmp_path: Path
) -> None:  # fmt: skip
    sizes = {"t5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2},
             "bart": {"d_model": 32, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
                      "max_position_embeddings": 64}}  # fmt: skip
    ids = {"decoder_start_token_id": 0, "eos_token_id": 2, "pad_token_id": 0}
    config = AutoConfig.for_model(kind, vocab_size=400, **sizes[kind], **ids, **{number: 0})
    AutoModelForSeq2SeqLM.from_config(config).save_pretrained(tiny_writer(tmp_path, "t5"))
    with pytest.raises(ModelError, match=rf"config.json says {number}: 0, .*with one or more"):
        adapter_for("translation").load(tmp_path, TRANSLATION, new_head=False)


def test_a_long_answer_leaves_what_the_prompt_says_and_some_of_the_text(tmp_path: Path) -> None:
    prompt = f"{'good ' * 18}{{text}} Film gut"
    kind = ANSWERS.model_copy(update={"generation": Generation(max_new_tokens=6, prompt=prompt)})
    model: Any = adapter_for("causal-lm").load(tiny_writer(tmp_path), kind, new_head=False)
    for words in (4, 9, 12, 20):
        row = model.sequences.of("film plot actor scene", "toll " * words)
        assert model.tokenizer.decode(row.given).endswith("Film gut") and "film" in model.tokenizer.decode(row.given)
        assert len(row.ids) <= 32 and len(row.said) == min(words, 9) + 1


def test_a_chat_template_is_what_the_model_is_given(tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "{% for m in messages %}the {{ m.content }} was {% endfor %}{% if add_generation_prompt %}very{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    kind = ANSWERS.model_copy(update={"generation": Generation(max_new_tokens=6, chat=True)})
    model: Any = adapter_for("causal-lm").load(folder, kind, new_head=False)
    row = model.sequences.of("film", "gut")
    assert model.tokenizer.decode(row.given) == "the film was very"


@pytest.mark.parametrize("template", ["{{ raise_exception('no such role') }}", "{% for m in", "{{ messages[9].content }}",
                                      "{{ ''.__class__.__mro__ }}", "{{ 1 / 0 }}"])  # fmt: skip
def test_a_chat_template_that_cannot_be_filled_in_is_refused_as_the_models(template: str, tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path)
    (folder / "chat_template.jinja").write_text(template)
    kind = ANSWERS.model_copy(update={"generation": Generation(max_new_tokens=6, chat=True)})
    with pytest.raises(ModelError, match=r"chat template cannot be filled in with a user's words: ."):
        adapter_for("causal-lm").load(folder, kind, new_head=False)


@pytest.mark.parametrize(("kind", "made"), [(TEXTS, "gpt2"), (ANSWERS, "gpt2"), (TRANSLATION, "t5")])
def test_a_writer_that_answers_with_no_number_is_not_measured(kind: ModelKind, made: str, tmp_path: Path) -> None:
    """A perplexity of NaN is null in a record, which nothing could read again."""
    model: Any = adapter_for(kind.task).load(tiny_writer(tmp_path, made), kind, new_head=False)
    torch.nn.init.constant_(model.model.get_input_embeddings().weight, float("nan"))
    with pytest.raises(ModelError, match=r"no number \(NaN or infinity\)"):
        model.predict(["the film n1 was very good"], labels=["Film n1 gut"], advance=quietly)


@pytest.mark.parametrize(("kind", "made"), [(ANSWERS, "gpt2"), (TRANSLATION, "t5")])
def test_rows_are_counted_as_they_are_answered(kind: ModelKind, made: str, tmp_path: Path) -> None:
    model: Any = adapter_for(kind.task).load(tiny_writer(tmp_path, made), kind, new_head=False)
    done: list[int] = []
    model.predict(examples(3).texts, advance=done.append)
    assert sum(done) == 3


def test_a_text_without_a_token_and_an_answer_without_a_letter_count_as_one(tmp_path: Path) -> None:
    """What they are divided by."""
    model: Any = adapter_for("causal-lm").load(tiny_writer(tmp_path), ANSWERS, new_head=False)
    numbers = model.predict([" "], labels=[""], advance=quietly).numbers
    assert [number(ANSWERS, numbers, name)[0] for name in (TEXT_TOKENS, TEXT_LOSS, BYTES)] == [1, 0, 1]


@pytest.mark.parametrize(("told", "own", "written"), [
    (None, 2, [5, 7, 2]), (7, 2, [5, 7]), ([8, 7], 2, [5, 7]), (8, 2, [5, 7, 2]), (7, None, [5, 7]), (None, 8, [5, 7, 2, 6]),
])  # fmt: skip
def test_an_answer_ends_by_the_tokenizers_mark_or_any_of_the_sources_whichever_comes_first(
    told: int | list[int] | None, own: int | None, written: list[int]
) -> None:
    model = SimpleNamespace(generate=lambda **_: torch.tensor([[9, 5, 7, 2, 6]]), config=SimpleNamespace(is_encoder_decoder=False),
                            generation_config=SimpleNamespace(eos_token_id=told))  # fmt: skip
    tokenizer = SimpleNamespace(eos_token_id=own, pad_token_id=0)
    assert write(model, tokenizer, Generation(), 4, input_ids=torch.tensor([[9]])) == [[9, *written]]


def test_an_empty_window_has_outputs_with_their_columns(tmp_path: Path) -> None:
    for kind, made in ((ANSWERS, "gpt2"), (TRANSLATION, "t5")):
        found = (
            adapter_for(kind.task)
            .load(tiny_writer(tmp_path / made, made), kind, new_head=False)
            .predict([], advance=quietly)
        )
        assert (found.numbers.shape, list(found.texts or ())) == ((0, len(columns_of(kind))), [])
