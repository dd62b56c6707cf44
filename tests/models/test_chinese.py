"""A classifier of Chinese sentences, whose words no spaces part, with labels in Chinese."""

from pathlib import Path

import numpy as np

from models.adapter import Examples, quietly
from models.contracts import ModelKind
from models.recipe import Training
from models.text_classification import TextClassifier

LABELS = ("差评", "好评")
KIND = ModelKind(task="text-classification", labels=LABELS, max_tokens=24, seed=1)
THINGS = ["这部电影", "那个故事", "这家餐厅的菜", "新来的演员", "昨天买的手机", "酒店的房间"]
OPENINGS = ["", "我觉得", "说实话,", "朋友们都说", "看完以后觉得"]
SAID = {
    "好评": ["很好看", "非常精彩!", "让人满意。", "我很喜欢"],
    "差评": ["很无聊", "非常糟糕!", "让人失望。", "我很讨厌"],
}


def reviews(first: int, last: int) -> Examples:
    """Of all sentences that can be made of the parts, those from one number to another in a shuffled order."""
    made = [(f"{opening}{thing}{words}", label) for opening in OPENINGS for thing in THINGS for label in LABELS for words in SAID[label]]  # fmt: skip
    order = np.random.default_rng(0).permutation(len(made))[first:last]
    return Examples([made[i][0] for i in order], [made[i][1] for i in order])


def chinese_model(folder: Path) -> Path:
    """Randomly initialised, with a token for each character, as BERT's tokenizer cuts Chinese."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast, set_seed

    characters = sorted({character for text in reviews(0, 240).texts for character in text})
    vocabulary = {token: i for i, token in enumerate(["[PAD]", "[UNK]", *characters])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.normalizer = normalizers.BertNormalizer(handle_chinese_chars=True)
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    set_seed(0)
    config = AutoConfig.for_model("bert", vocab_size=len(vocabulary), num_labels=2, hidden_size=32, num_hidden_layers=1,
                                  num_attention_heads=2, intermediate_size=64, initializer_range=0.3)  # fmt: skip
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(folder)
    return folder


def test_chinese_sentences_are_learned_and_the_saved_model_says_the_same(tmp_path: Path) -> None:
    model = TextClassifier.load(chinese_model(tmp_path / "base"), KIND, new_head=True)
    settings = Training.model_validate({"epochs": 40, "learning_rate": 0.005, "threads": 1})
    model.fine_tune(reviews(0, 160), reviews(160, 190), training=settings, seed=1, work=tmp_path / "w", advance=quietly)
    model.save(tmp_path / "saved")
    again = TextClassifier.load(tmp_path / "saved", KIND, new_head=False)
    held_out = reviews(190, 240)
    before, after = (m.predict(held_out.texts, advance=quietly).numbers for m in (model, again))
    assert np.allclose(before, after, atol=1e-5)
    assert (np.array(LABELS)[after.argmax(1)] == np.array(held_out.labels)).mean() > 0.9
    assert again.model.config.id2label == {0: "差评", 1: "好评"}


def test_a_long_sentence_is_cut_at_max_tokens_characters_and_not_taken_for_one_word(tmp_path: Path) -> None:
    model = TextClassifier.load(chinese_model(tmp_path / "base"), KIND, new_head=True)
    assert len(model._tokenize(["这部电影很好看"])[0]) == 7
    assert len(model._tokenize(["这部电影很好看" * 10])[0]) == KIND.max_tokens
