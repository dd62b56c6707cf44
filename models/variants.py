"""Other forms of a release's weights that lie beside the full ones, for serving: what they are called, what they need."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

from errors import MissingExtra

VariantName = Literal["onnx", "onnx-int8"]
FOLDER = "onnx/"
"""Of a version: below it are all files of its variants, and nothing else."""
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def is_of_a_variant(path: str) -> bool:
    """Whether a version's file is of no use to whoever loads the full weights."""
    return path.startswith(FOLDER)


def require_packages(variants: Sequence[str]) -> None:
    """Before anything is trained, rather than after. Raises MissingExtra."""
    missing = [name for name in PACKAGES if find_spec(name) is None] if variants else []
    if missing:
        raise MissingExtra(f"variants: {', '.join(variants)} need {', '.join(missing)}: pip install 'llm-upkeep[onnx]', "
                           "wherever candidates are trained and judged")  # fmt: skip
