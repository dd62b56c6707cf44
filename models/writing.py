"""How models write, and how sure they were: what decoders and encoder-decoders have in common."""

from copy import copy
from typing import Any

import torch
from transformers import DataCollatorForSeq2Seq

from errors import ModelError
from models.generation import Generation
from models.outputs import NO_NUMBER

IGNORED = -100
"""A label that no loss counts."""
LOGITS_AT_ONCE = 32_000_000
"""Numbers of a vocabulary's size, one for each token of a batch: 128 MB in float32."""
_OURS: dict[str, Any] = {
    "do_sample": False, "temperature": None, "top_p": None, "top_k": None, "return_dict_in_generate": False,
    "num_return_sequences": 1, "max_time": None, "cache_implementation": None, "prompt_lookup_num_tokens": None,
    "assistant_early_exit": None, "is_assistant": False, "prefill_chunk_size": None,
}  # fmt: skip
"""Of a source's generation_config what is not followed: chance and clocks, how an answer is computed, and in which shape it
comes. What an answer is to look like (its least length, penalties, words that it must not hold) is."""


def logit_tokens(model: Any) -> int:
    """So many tokens a batch that their logits fit."""
    return int(min(4096, max(256, LOGITS_AT_ONCE // model.get_output_embeddings().weight.shape[0])))


def token_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """rows × tokens × vocabulary and rows × tokens → the negative log-likelihood (nats) of each token, float32. Raises
    ModelError where that is no number: no record could hold what would be measured by it."""
    losses = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), labels, reduction="none", ignore_index=IGNORED
    )
    if losses.isnan().any():
        raise ModelError(NO_NUMBER)
    return losses


def pad_left(rows: list[list[int]], pad: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and their mask, with every row's last token at the end, where the model goes on."""
    length = max(map(len, rows))
    tokens = torch.full((len(rows), length), pad, device=device)
    mask = torch.zeros_like(tokens)
    for i, row in enumerate(rows):
        tokens[i, length - len(row) :], mask[i, length - len(row) :] = torch.tensor(row, device=device), 1
    return tokens, mask


def collator(tokenizer: Any, model: Any = None) -> DataCollatorForSeq2Seq:
    """Pads what is learned behind each row, as it is measured, whatever side the tokenizer names for writing: before a row,
    padding moves it where places are counted, and an encoder-decoder's answer would begin with it."""
    behind = copy(tokenizer)  # a release keeps the side that its source has
    behind.padding_side = "right"
    return DataCollatorForSeq2Seq(behind, model=model)


def write(model: Any, tokenizer: Any, asked: Generation, new_tokens: int, **inputs: torch.Tensor) -> list[list[int]]:
    """Greedy or by beams, never sampled; each row up to and including its end, without what pads it."""
    said = model.generate(
        **inputs, **_OURS, max_new_tokens=new_tokens, num_beams=asked.beams, pad_token_id=tokenizer.pad_token_id,
        eos_token_id=_ends(model, tokenizer),
    )  # fmt: skip
    # A decoder begins with one token, which of BART's kind is the one that ends an answer.
    given = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    return [row[:given] + _until_the_end(row[given:], _ends(model, tokenizer)) for row in said.tolist()]


def first_logits(model: Any, tokenizer: Any, rows: list[list[int]]) -> torch.Tensor:
    """rows × vocabulary: what a decoder would go on with, before anything that a source asks of it."""
    tokens, mask = pad_left(rows, tokenizer.pad_token_id, model.device)
    said = model.generate(
        input_ids=tokens, attention_mask=mask, **_OURS | {"return_dict_in_generate": True}, output_logits=True, num_beams=1,
        max_new_tokens=1, pad_token_id=tokenizer.pad_token_id, eos_token_id=_ends(model, tokenizer),
    )  # fmt: skip
    first: torch.Tensor = said.logits[0]
    return first


@torch.inference_mode()
def require_answers(model: Any, tokenizer: Any, asked: Generation) -> None:
    """Writes a token, so that what a source asks for and cannot be done (a string to stop at, constraints) is told when it
    is loaded, and not behind a training."""
    begun = torch.full((2, 2), tokenizer.pad_token_id, device=model.device)
    layers = getattr(model.generation_config, "dola_layers", None)
    try:
        if layers is not None:  # transformers passes it over where there are beams
            raise ValueError(f"dola_layers: {layers!r} is a decoding by code of the hub, which is not run.")
        write(model, tokenizer, asked, 1, input_ids=begun, attention_mask=torch.ones_like(begun))
    except (ValueError, TypeError, IndexError) as problem:
        raise ModelError(f"the source's generation_config.json asks for what cannot be done here: {problem} Take that field "
                         "out of it") from problem  # fmt: skip


def _ends(model: Any, tokenizer: Any) -> list[int]:
    """A chat model may end its turn by another token than its tokenizer's end of sequence."""
    found = model.generation_config.eos_token_id
    told = [] if found is None else found if isinstance(found, list) else [found]
    own = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
    return list(dict.fromkeys([*own, *told]))


def _until_the_end(row: list[int], ends: list[int]) -> list[int]:
    first = next((i for i, token in enumerate(row) if token in ends), None)
    return row if first is None else row[: first + 1]
