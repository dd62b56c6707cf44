"""Models that read two texts together: what they say, and which are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers.pre_tokenizers import Whitespace
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BartConfig, BartForSequenceClassification

from errors import ModelError
from models.adapter import quietly
from models.text_pairs import Entailment, Reward
from tests.readers import NLI, entailing_reader, praising_reader, tiny_reader
from tests.tiny import tiny_writer


@pytest.mark.slow
def test_what_follows_is_told_from_what_contradicts_by_a_model_that_learned_it(tmp_path: Path) -> None:
    model = Entailment(entailing_reader(tmp_path))
    premises = ["the film was good", "the film was good", "the film was good"]
    found = model.probabilities(
        premises, ["the film was good", "the film was bad", "the plot was good"], advance=quietly
    )
    assert found[0] > 0.9 and (found[1:] < 0.1).all()


def test_a_batch_says_what_each_pair_says_alone(tmp_path: Path) -> None:
    tiny_reader(tmp_path)
    pairs = [("the film was very very good", "good"), ("bad", "the plot is not bad and dull"), ("a", "b"), ("", "film")]
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    with torch.inference_mode():
        alone = [model(**tokenizer(*pair, return_tensors="pt")).logits.softmax(-1)[0, 1].item() for pair in pairs]
    done: list[int] = []
    found = Entailment(tmp_path).probabilities(*zip(*pairs, strict=True), advance=done.append)
    np.testing.assert_allclose(found, alone, atol=1e-6)
    assert sum(done) == len(pairs)


def test_a_bart_that_learned_entailment_reads_a_text_with_the_mark_that_ends_its_own(tmp_path: Path) -> None:
    """It answers from a row's last </s>, which is a tag of HTML as well."""
    _bart(tmp_path)
    model = Entailment(tmp_path)
    alone = model.probabilities(["the film was good"], ["good"], advance=quietly)
    found = model.probabilities(["the film was good", "the [SEP] plot"], ["good", "bad [SEP]"], advance=quietly)
    np.testing.assert_allclose(found[0], alone[0], atol=1e-6)


def test_a_bart_whose_tokenizer_ends_no_text_is_refused_since_it_answers_from_there(tmp_path: Path) -> None:
    config = json.loads((_bart(tmp_path) / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "eos_token_id": 1}))
    with pytest.raises(ModelError, match="tokenizer ends none by it"):
        Entailment(tmp_path)


def _bart(folder: Path) -> Path:
    tokenizer = AutoTokenizer.from_pretrained(tiny_reader(folder))
    tokenizer.add_special_tokens({"eos_token": "[SEP]"})
    tokenizer.backend_tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save_pretrained(folder)
    config = BartConfig(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, pad_token_id=0, eos_token_id=2, bos_token_id=2,
        decoder_start_token_id=2, id2label=dict(enumerate(NLI)), label2id={name: i for i, name in enumerate(NLI)},
    )  # fmt: skip
    BartForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_of_a_pair_that_is_too_long_the_longer_text_is_cut(tmp_path: Path) -> None:
    model = Entailment(tiny_reader(tmp_path))
    long = " ".join(["the film was good"] * 500)
    found = model.probabilities([long, long], ["the plot was bad", "the plot was good"], advance=quietly)
    assert found[0] != found[1], "the short text was cut off"


@pytest.mark.parametrize(
    ("labels", "at"), [(["ENTAILMENT", "neutral"], 0), (["not_entailment", "entailment"], 1), (NLI, 1)]
)
def test_the_entailment_label_is_found_by_its_name(labels: list[str], at: int, tmp_path: Path) -> None:
    assert Entailment(tiny_reader(tmp_path, labels)).label == at


def test_a_model_without_such_a_label_is_refused_with_the_labels_that_it_has(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"\['negative', 'positive'\], and one of them has to be named entailment"):
        Entailment(tiny_reader(tmp_path, ["negative", "positive"]))


def test_a_model_whose_head_transformers_would_make_up_is_refused(tmp_path: Path) -> None:
    tiny_reader(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": ["BertModel"]}))
    with pytest.raises(ModelError, match=r"\['BertModel'\], and what measures others is a trained"):
        Entailment(tmp_path)
    with pytest.raises(ModelError, match=r"\['GPT2LMHeadModel'\]"):
        Reward(tiny_writer(tmp_path / "writer"))


def test_a_reward_model_scores_the_answer_and_one_with_three_outputs_is_refused(tmp_path: Path) -> None:
    model = Reward(praising_reader(tmp_path / "reward"))
    good, bad = model.scores(["the film was bad"] * 2, ["the film was good", "the film was awful"], advance=quietly)
    assert good > 0.8 and bad < 0.2
    with pytest.raises(ModelError, match="it has 3 outputs, and a reward model has one"):
        Reward(tiny_reader(tmp_path / "nli"))


def test_a_reward_model_with_a_chat_template_reads_a_chat(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(praising_reader(tmp_path))
    plain = Reward(tmp_path).scores(["bad"], ["good"], advance=quietly)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}"
        "{% if add_generation_prompt %}{{ raise_exception('nobody is to go on') }}{% endif %}"
    )
    tokenizer.save_pretrained(tmp_path)
    chat = Reward(tmp_path)
    ids = chat._encode("the film was bad", "the film was good")["input_ids"]
    assert chat.tokenizer.decode(ids) == "[UNK] the film was bad [UNK] the film was good"
    assert chat.scores(["bad"], ["good"], advance=quietly)[0] != plain[0]
    assert len(chat._encode("film " * 500, "good")["input_ids"]) == chat.max_tokens


@pytest.mark.parametrize("template", ["{{ raise_exception('no such role') }}", "{{ messages[1].content / 0 }}"])
def test_a_reward_model_s_chat_template_that_cannot_be_filled_in_is_refused_when_it_is_loaded(
    template: str, tmp_path: Path
) -> None:
    (tiny_reader(tmp_path, ["score"]) / "chat_template.jinja").write_text(template)
    with pytest.raises(ModelError, match=r"chat template cannot be filled in with a prompt and its answer: ."):
        Reward(tmp_path)
