"""Refuses weights that are not those of the configuration beside them: transformers fills gaps with noise, and goes on."""

import re
from pathlib import Path
from typing import Any

from errors import ModelError

_LAYER = re.compile(r"(.+?)\.(\d+)\.")


def refuse_noise(model: Any, told: dict[str, Any], folder: Path, *, new_head: bool) -> None:
    """Seeded noise is what a new head begins with, and the pooler of an encoder that was trained without one. `told` is
    the loading's own account, `output_loading_info`. ModelError where anything else would be noise, or layers be left out."""
    base = f"{model.base_model_prefix}."
    _refuse_misfits(told, base, folder)
    _refuse_lost_layers(model, told, base, folder)
    lacking = sorted(name for name in {name for name, _ in model.named_parameters()} & set(told["missing_keys"])
                     if not new_head or (name.startswith(base) and "pooler" not in name))  # fmt: skip
    if not lacking:
        return
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    strange = sorted(told["unexpected_keys"])
    held = f" (it holds {strange[0]}, for which the model has no place)" if strange else ""
    raise ModelError(f"{folder} has no weights for {', '.join(lacking[:3])}{more}{held}: they would be noise. Save the whole "
                     "model once with `save_pretrained`; where only a classifier's head is missing, drop `model.adopt` to train "
                     "one")  # fmt: skip


def _refuse_misfits(told: dict[str, Any], base: str, folder: Path) -> None:
    """Only a head may have another shape; transformers fills the rest with noise as well, where it is told to do so there."""
    for name, held, wanted in sorted(told["mismatched_keys"]):
        if name.startswith(base):
            raise ModelError(f"{folder}/config.json does not describe the weights beside it: {name} is {list(held)}, and by the "
                             f"configuration {list(wanted)}; it would be noise. Give both from one `save_pretrained`")  # fmt: skip


def _refuse_lost_layers(model: Any, told: dict[str, Any], base: str, folder: Path) -> None:
    """A configuration may name fewer layers than there are; transformers leaves the others out and says nothing."""
    lists = {name: len(part) for name, part in model.named_modules() if type(part).__name__ == "ModuleList"}
    for name in sorted(told["unexpected_keys"]):
        layer = _LAYER.match(name)
        here = layer and next((place for place in (layer[1], base + layer[1]) if place in lists), None)
        if layer and here and int(layer[2]) >= lists[here]:
            raise ModelError(f"{folder}/config.json does not describe the weights beside it: they hold {layer[1]}.{layer[2]}, and by "
                             f"the configuration there are {lists[here]} layers; the others would be left out. Give both from one "
                             "`save_pretrained`")  # fmt: skip
