"""Sets a model up for training that was measured to be fast on the device at hand: what stays frozen, what is adapted,
which attention is used."""

from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.pytorch_utils import Conv1D

from errors import MissingExtra, ModelError
from models.recipe import Training

EMBEDDING_NAMES = ("embed", "wte", "wpe")
NO_BF16 = ("deberta",)
"""Models that mask in single precision what autocast has made bf16, and stop; DeBERTa-v2 and -v3 do not."""
ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")

LAYERS = (torch.nn.Linear, torch.nn.Embedding, Conv1D)
"""That low-rank matrices can be put beside."""


def prepare(model: Any, training: Training, *, embeddings_learn: bool) -> tuple[bool, str]:
    """Sets the model up for speed; says whether to use bf16, and the recipe in words. `embeddings_learn`:
    so do the input embeddings."""
    fast = _has_bf16() and model.config.model_type not in NO_BF16
    for name in ATTENTION_DROPOUTS:
        if hasattr(model.config, name):
            setattr(model.config, name, 0.0)
    for module in model.modules():
        _without_attention_dropout(module)
    if training.method == "head":
        model.base_model.requires_grad_(False)
    elif training.method == "full":
        model.get_input_embeddings().requires_grad_(embeddings_learn)
        freeze_layers(model, training.frozen_layers)
    if fast and not torch.cuda.is_available() and getattr(model, "_supports_sdpa", False):
        model.set_attn_implementation("fp32_sdpa")
    return fast, _told(training, fast)


def _told(training: Training, fast: bool) -> str:
    """The recipe in words."""
    frozen = f", lowest {training.frozen_layers} layers frozen" if training.frozen_layers else ""
    words = {
        "embeddings learn": training.learn_embeddings,
        "classes weighted alike": training.class_weights == "balanced",
        "classes drawn equally often": training.sampling == "balanced",
        f"{training.processes} processes, data-parallel": training.processes > 1,
    }
    return ", ".join([training.method + frozen, f"learning rate {training.learning_rate:g}", f"batch {training.batch_size}",
                      "length-grouped", "bf16" if fast else "fp32", *(word for word, holds in words.items() if holds)])  # fmt: skip


def freeze_layers(model: Any, lowest: int) -> None:
    """The layers are the longest list of modules, by whatever name the architecture calls it."""
    lists = [m for m in model.base_model.modules() if isinstance(m, torch.nn.ModuleList)]
    layers = max(lists, key=len, default=torch.nn.ModuleList())
    if lowest and lowest >= len(layers):
        raise ModelError(f"training.frozen_layers = {lowest} leaves nothing to train: the model has {len(layers)} layers; "
                         "write less, or method: head")  # fmt: skip
    for layer in layers[:lowest]:
        layer.requires_grad_(False)
    if lowest:  # what feeds the frozen layers would be trained through them
        for name, module in model.base_model.named_children():
            if any(part in name.lower() for part in EMBEDDING_NAMES):
                module.requires_grad_(False)


def _without_attention_dropout(module: Any) -> None:
    """Models read the rate from their config when they are built, so it is set where it is used, too."""
    dropout = getattr(module, "dropout", None)
    if "Attention" in type(module).__name__ and isinstance(dropout, torch.nn.Dropout) and hasattr(module, "query"):
        dropout.p = 0.0
    if isinstance(getattr(module, "attention_dropout", None), float):
        module.attention_dropout = 0.0


def with_lora(model: Any, training: Training, *, task: str) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as problem:
        raise MissingExtra("training.method: lora needs peft: pip install 'llm-upkeep[lora]'") from problem
    from models.recipe import Lora

    lora = training.lora or Lora()
    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    head = _head(model) if task == "SEQ_CLS" else None
    if isinstance(targets, list):
        _require_layers(targets, model.base_model if head else model)
    config = LoraConfig(task_type=task, r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout,
                        target_modules=targets, modules_to_save=head)  # fmt: skip
    return get_peft_model(model, config)


def _require_layers(targets: list[str], model: Any) -> None:
    """peft adapts what it finds, and says nothing of a name that it does not find beside one that it does."""
    fits = {name: isinstance(part, LAYERS) for name, part in model.named_modules()}
    for target in targets:
        found = [fit for name, fit in fits.items() if name == target or name.endswith(f".{target}")]
        if not found or not all(found):
            known = sorted({name.split(".")[-1] for name, fit in fits.items() if fit} - {""})
            raise ModelError(f"training.lora.targets: {target!r} is no linear layer of a {type(model).__name__}, which has "
                             f"{', '.join(known)}; name some of these, or write all-linear")  # fmt: skip


def _head(model: Any) -> list[str]:
    """What stands behind the encoder and begins with noise. peft knows it by the names `classifier` and `score` alone."""
    parts = ((name, part) for name, part in model.named_children() if part is not model.base_model)
    return [name for name, part in parts if next(part.parameters(), None) is not None]


def _fp32_sdpa(module: Any, query: Any, key: Any, value: Any, mask: Any, **kwargs: Any) -> Any:
    with torch.autocast(query.device.type, enabled=False):
        output, weights = sdpa_attention_forward(
            module, query.float(), key.float(), value.float(), _fp32(mask),
            **{name: _fp32(given) for name, given in kwargs.items()},
        )  # fmt: skip
    return output.to(query.dtype), weights


def _fp32(value: Any) -> Any:
    """A mask, or T5's distances, in single precision; whatever else it is, as it is."""
    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


AttentionInterface.register("fp32_sdpa", _fp32_sdpa)
AttentionMaskInterface.register("fp32_sdpa", sdpa_mask)


def _has_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
