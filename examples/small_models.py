"""Small models with the vocabulary of their own data, trained from nothing in minutes on two cores: they stand in for
pre-trained ones where no hub can be reached, and write accordingly. With a hub, name its model as `model.source`."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from transformers.utils import logging

from models.recipe import Training
from models.rows import Split, content_digest, split_of

logging.disable_progress_bar()

SPECIAL = ("<pad>", "</s>", "<unk>")


def training_texts(texts: Iterable[str]) -> list[str]:
    """Those that may train by the spec's default shares. A tokenizer that was made of sealed texts, too, has tokens for
    their words: they would be cut into fewer than fresh texts, which would then look like drift."""
    shares = Training()
    return [text for text in texts if split_of(content_digest(text), validation_share=shares.validation_share,
                                               test_share=shares.test_share) is Split.TRAIN]  # fmt: skip


def save_tokenizer(texts: Iterable[str], folder: Path, *, words: int) -> None:
    """Byte-pair encoding of bytes, as GPT-2's: no text is unknown."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    made = ByteLevelBPETokenizer()
    made.train_from_iterator(texts, vocab_size=words, special_tokens=list(SPECIAL), show_progress=False)
    PreTrainedTokenizerFast(
        tokenizer_object=made._tokenizer, pad_token=SPECIAL[0], eos_token=SPECIAL[1], unk_token=SPECIAL[2]
    ).save_pretrained(folder)


def save_characters(texts: Iterable[str], folder: Path) -> int:
    """A token for each character that comes twice, as BERT's tokenizer cuts Chinese; how many tokens there are."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    normalizer = normalizers.BertNormalizer(handle_chinese_chars=True)
    counts = Counter(character for text in texts for character in normalizer.normalize_str(text))
    often = sorted(character for character, count in counts.items() if count > 1 and not character.isspace())
    vocabulary = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", *often])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizer
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", vocabulary["[CLS]"])]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]"
    ).save_pretrained(folder)
    return len(vocabulary)


def save_bert(folder: Path, *, words: int, width: int, layers: int, tokens: int) -> None:
    """A BERT of this size with random weights."""
    from transformers import BertConfig, BertForSequenceClassification, set_seed

    set_seed(13)
    BertForSequenceClassification(BertConfig(
        vocab_size=words, hidden_size=width, num_hidden_layers=layers, num_attention_heads=width // 32,
        intermediate_size=2 * width, max_position_embeddings=tokens, hidden_dropout_prob=0.3, pad_token_id=0,
    )).save_pretrained(folder)  # fmt: skip


def save_gpt2(folder: Path, *, words: int, width: int, layers: int, tokens: int) -> None:
    """A GPT-2 of this size with random weights."""
    from transformers import GPT2Config, GPT2LMHeadModel, set_seed

    set_seed(13)
    GPT2LMHeadModel(GPT2Config(
        vocab_size=words, n_embd=width, n_layer=layers, n_head=width // 32, n_positions=tokens, bos_token_id=1,
        eos_token_id=1, pad_token_id=0, resid_pdrop=0.1, embd_pdrop=0.1, attn_pdrop=0.0,
    )).save_pretrained(folder)  # fmt: skip


def save_t5(folder: Path, *, words: int, width: int, layers: int) -> None:
    """A T5 of this size with random weights."""
    from transformers import T5Config, T5ForConditionalGeneration, set_seed

    set_seed(13)
    T5ForConditionalGeneration(T5Config(
        vocab_size=words, d_model=width, d_kv=32, d_ff=4 * width, num_layers=layers, num_heads=width // 32,
        decoder_start_token_id=0, eos_token_id=1, pad_token_id=0, tie_word_embeddings=True, dropout_rate=0.1,
    )).save_pretrained(folder)  # fmt: skip
