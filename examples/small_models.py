"""Small models with the vocabulary of their own data, trained from nothing in minutes on two cores: they stand in for
pre-trained ones where no hub can be reached, and write accordingly. With a hub, name its model as `model.source`."""

from collections.abc import Iterable
from pathlib import Path

from transformers.utils import logging

from models.rows import Split, content_digest, split_of
from models.sections import Training

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
