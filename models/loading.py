"""What every adapter does with a model's folder and its tokens."""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, set_seed
from transformers.utils import logging as transformers_logging

from errors import ModelError
from models.contracts import ModelKind
from models.noise import refuse_noise
from models.plain_files import refuse_unsafe

TOKENS_PER_BATCH = 4096
PROBED_FROM = 64
"""Rows from which it pays to find out how many threads are fastest."""
ADAPTER = "adapter_config.json"
LAYERS = ("num_hidden_layers", "num_decoder_layers", "decoder_layers")
"""How configurations name their number; the latter two are of an encoder-decoder's other half."""
UNREADABLE = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError, ArithmeticError,
              StrictDataclassError, SafetensorError)  # fmt: skip
"""What transformers raises of a configuration, weights or a tokenizer that are none, or that want a package which is not
here."""
MADE_UP = 2
"""Tokens besides the special ones that a tokenizer has which was made up: a space's sign, an unknown word's."""
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()  # Upkeep shows its own


def read_config(folder: Path, kind: ModelKind) -> Any:
    """After a look at every file: nothing unsafe is loaded. Seeds what loading draws, such as a new head."""
    _require_weights(folder)
    _refuse_adapter(folder)
    refuse_unsafe(folder, code=kind.code)
    set_seed(kind.seed)
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=bool(kind.code))
    except UNREADABLE as problem:
        raise ModelError(f"{folder}/config.json is no transformers configuration: {_said(problem)}") from problem


def load_parts(
    auto: Any, folder: Path, kind: ModelKind, *, wanted: str, new_head: bool = False, **options: Any
) -> tuple[Any, Any]:  # fmt: skip
    """The model, in float32, and its tokenizer with a pad token. `wanted` says in words what the folder should hold."""
    import torch

    try:
        model, told = auto.from_pretrained(
            folder, dtype=torch.float32, trust_remote_code=bool(kind.code), use_safetensors=True,
            output_loading_info=True, **options,
        )  # fmt: skip
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=bool(kind.code))
    except Exception as problem:
        # tokenizers raises nothing more exact than the latter
        if not isinstance(problem, UNREADABLE) and type(problem) is not Exception:
            raise
        raise ModelError(f"{folder} cannot be loaded as {wanted}: {_said(problem)}") from problem
    refuse_noise(model, told, folder, new_head=new_head)
    _require_a_layer(model.config, folder)
    _require_words(tokenizer, folder)
    _give_pad_token(model, tokenizer)
    _require_room(model, tokenizer, folder)
    return model, tokenizer


def _said(problem: Exception) -> str:
    """A missing key's message is the key alone."""
    return f"no {problem} in it" if isinstance(problem, KeyError) else str(problem).strip()


def longest(model: Any, kind: ModelKind) -> int:
    """Tokens after which a text is cut: the spec's, or fewer where the model has no more positions."""
    return min(kind.max_tokens, positions_of(model) or kind.max_tokens)


def positions_of(model: Any) -> int | None:
    """So many tokens at most have a place in the model; None where any number has. RoBERTa and its kin count places from
    the one behind their pad token's, and so have fewer than their configuration says; LED's has a number for each part."""
    tables = [module for name, module in model.named_modules() if name.endswith("position_embeddings")]
    counted = [table.weight.shape[0] - table.padding_idx - 1 for table in tables
               if getattr(table, "padding_idx", None) is not None]  # fmt: skip
    config = getattr(model, "config", None)  # FSMT's halves have none
    told = getattr(config and config.get_text_config(), "max_position_embeddings", None) or 0  # XLNet's is -1
    learned = [] if told else [module.num_embeddings for name, module in model.named_modules()
                               if name.endswith("embed_positions") and hasattr(module, "num_embeddings")]  # fmt: skip
    return min([*counted, *learned, *([told] if told > 0 else [])], default=None)


def as_text(model: Any) -> dict[str, bool]:
    """What a classifier's tokenizer is told. BART and T5 answer from a row's last </s>, and refuse rows that have not equally
    many: one in a text, such as HTML's, is text to them."""
    return {"split_special_tokens": True} if model.config.is_encoder_decoder else {}


def unknown(tokenizer: Any) -> int:
    """The token of a text of which a tokenizer makes none: without any it would be read as what pads it beside longer ones, and
    alone not at all."""
    marks = (tokenizer.unk_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    return next(int(mark) for mark in marks if mark is not None)


def require_end(tokenizer: Any, model: Any, folder: Path) -> None:
    """Such a classifier answers from a row's end, to which its decoder is led from where it begins."""
    config = model.config
    if not config.is_encoder_decoder:
        return
    begins = getattr(config, "decoder_start_token_id", None)
    if not isinstance(begins, int):
        raise ModelError(f"{folder}/config.json says decoder_start_token_id: {begins}, and the decoder cannot tell where to begin; set it "
                         "to one number and save the model")  # fmt: skip
    if config.eos_token_id not in tokenizer("")["input_ids"]:
        raise ModelError(f"{folder}: a {type(model).__name__} answers from the token by which a text ends (eos_token_id: "
                         f"{config.eos_token_id} in config.json), and the tokenizer ends none by it. Give it the tokenizer that it was "
                         "trained with, or one whose post-processor adds that token")  # fmt: skip


def pad_behind(tokenizer: Any, model: Any) -> None:
    """Where places are counted, from the first token on, what is padded before it moves a text by its neighbours' length."""
    if positions_of(model):
        tokenizer.padding_side = "right"


def token_batches(lengths: Sequence[int], *, tokens: int = TOKENS_PER_BATCH) -> Iterator[list[int]]:
    """Row numbers, longest first, so many at a time that a padded batch stays within the token budget."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda r: -lengths[r]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _require_weights(folder: Path) -> None:
    if not list(folder.glob("*.safetensors")):
        found = sorted(p.name for p in folder.glob("*")) if folder.is_dir() else "no such folder"
        raise ModelError(
            f"{folder} holds no *.safetensors weights (found: {found}). Upkeep never loads pickles: convert the "
            "model once with `save_pretrained`."
        )


def _refuse_adapter(folder: Path) -> None:
    """It is a difference to another model; transformers applies it where it finds it, and then saves it without the rest."""
    if (folder / ADAPTER).exists():
        raise ModelError(f"{folder} holds an adapter ({ADAPTER}), and a version is a model as a whole. Merge it once: "
                         "`PeftModel.from_pretrained(base, folder).merge_and_unload().save_pretrained(new)`, with the tokenizer "
                         "beside it; or take the adapter's files out of the source")  # fmt: skip


def _require_a_layer(config: Any, folder: Path) -> None:
    """transformers loads a model without any, and what it then answers holds no state to compare texts by."""
    for field in LAYERS:
        layers = getattr(config, field, None)
        if isinstance(layers, int) and layers < 1:
            name = config.attribute_map.get(field, field)
            raise ModelError(f"{folder}/config.json says {name}: {layers}, and a model without a layer reads nothing out of a text. "
                             "Give one with one or more")  # fmt: skip


def _require_words(tokenizer: Any, folder: Path) -> None:
    """transformers makes up a tokenizer for a folder that has none, to which every word is the unknown one."""
    if len(tokenizer) - len(tokenizer.get_added_vocab()) <= MADE_UP:
        found = sorted(p.name for p in folder.iterdir())
        raise ModelError(f"{folder} holds no tokenizer (found: {found}), or one without a word: every text would read alike. Save "
                         "it beside the weights, as `AutoTokenizer.from_pretrained(origin).save_pretrained(folder)` does")  # fmt: skip


def _give_pad_token(model: Any, tokenizer: Any) -> None:
    """Decoder-only models (GPT-2) come without one, and then find the last token by it."""
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ModelError("the tokenizer has neither a pad nor an end-of-sequence token; add one to it")
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id


def _require_room(model: Any, tokenizer: Any, folder: Path) -> None:
    """A tokenizer that grew, or whose numbers have gaps, gives numbers that the model has no row for; what it then reads is
    memory beyond its table."""
    try:
        rows = model.get_input_embeddings().weight.shape[0]  # I-BERT's is none of torch's tables
    except NotImplementedError as problem:
        raise ModelError(f"{folder}: a {type(model).__name__} has no table with a row for each token, as CANINE has none, and what it "
                         "reads cannot be held against it; begin with another kind of model") from problem  # fmt: skip
    last, number = max(tokenizer.get_vocab().items(), key=itemgetter(1))
    if number >= rows:
        raise ModelError(
            f"{folder}: the tokenizer numbers its {len(tokenizer):,} tokens from 0 to {number:,} ({last!r}), and the model's embedding "
            f"has {rows:,} rows. Grow the model once with `model.resize_token_embeddings({number + 1})` and save it, or give it "
            "the tokenizer that it was trained with."
        )
