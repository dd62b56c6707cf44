"""Writes the ONNX variants of a classifier: the folder that `models/onnx_classifier.py` reads without torch.

The graph is PyTorch's own export (torch.export, `dynamo=True`) and gives probabilities, so that whoever runs it needs to know
neither softmax from sigmoid nor which labels were learned. The int8 one is ONNX Runtime's dynamic quantization, weights
a channel at a time in seven bits: with eight, processors without VNNI add two products in 16 bits and saturate, and the
answers would depend on the machine.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from tokenizers import Tokenizer

from errors import ModelError
from models.label_sets import THRESHOLD
from models.loading import as_text, unknown
from models.onnx_classifier import CLASSIFIER, GRAPHS, TOKENIZER, WEIGHTS, OnnxClassifier
from models.text_classification import TextClassifier

MOST_BYTES = 2**31 - 1
"""A protobuf's limit, and so that of a graph in one file: the weights of a larger one lie beside it, in a file of their own."""
TRIED = 64
"""Words of the longer text by which a graph is tried."""
INPUTS = ("input_ids", "attention_mask")
RECIPES = {
    "onnx": "torch.onnx.export, float32",
    "onnx-int8": "torch.onnx.export, then quantize_dynamic: weights int8 per channel in 7 bits",
}
"""How each is made, in words."""


class _Probabilities(torch.nn.Module):
    """What is served: tokens to the labels' probabilities, as `TextClassifier` works them out."""

    def __init__(self, classifier: TextClassifier) -> None:
        super().__init__()
        self.model, self.several = classifier.model, classifier.several
        unlearned = torch.zeros(len(classifier.labels))
        unlearned[classifier.learned :] = -torch.inf
        self.register_buffer("unlearned", unlearned)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        output = self.model(input_ids=input_ids, attention_mask=attention_mask)
        logits = output.logits.float() + self.unlearned
        return logits.sigmoid() if self.several else logits.softmax(-1)


def export_variants(classifier: TextClassifier, variants: Sequence[str], folder: Path) -> None:
    """Raises ModelError where the model cannot be exported, or what was made of it cannot be run."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"*{WEIGHTS}"):
        old.unlink()  # onnx would write behind what it holds
    _tokenizer_of(classifier).save(str(folder / TOKENIZER))
    told = {"labels": classifier.labels, "threshold": THRESHOLD if classifier.several else None,
            "unknown": unknown(classifier.tokenizer)}  # fmt: skip
    (folder / CLASSIFIER).write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
    with TemporaryDirectory(prefix="upkeep-") as draft, _quiet():
        graph = (folder if "onnx" in variants else Path(draft)) / GRAPHS["onnx"]
        _export(classifier, graph)
        if "onnx-int8" in variants:
            _quantize(graph, folder / GRAPHS["onnx-int8"])
    for name in variants:
        _require_answer(classifier, folder, name)


def _export(classifier: TextClassifier, target: Path) -> None:
    import onnx

    model = _Probabilities(classifier).cpu().eval()
    # Two tensors: the same object for both inputs would make them one input of the graph, silently.
    example = {name: torch.ones((2, 4), dtype=torch.long) for name in INPUTS}
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    try:
        program: Any = torch.onnx.export(
            model, (), kwargs=example, dynamo=True, dynamic_shapes=dict.fromkeys(INPUTS, axes),
            input_names=list(INPUTS), output_names=["probabilities"], verbose=False, external_data=False,
        )  # fmt: skip
    except torch.onnx.OnnxExporterError as problem:
        raise ModelError(f"variants: a {_kind(classifier)} cannot be exported to ONNX by this PyTorch ({torch.__version__}): drop `variants`, or "
                         "start from another kind of model (BERT, DistilBERT and GPT-2 can be)") from problem  # fmt: skip
    graph = program.model_proto
    _forget_origins(graph)
    onnx.save(graph, target, save_as_external_data=_is_large(graph), location=f"{target.name}{WEIGHTS}")
    onnx.checker.check_model(target)


def _is_large(graph: Any) -> bool:
    from google.protobuf.message import EncodeError

    try:
        return int(graph.ByteSize()) > MOST_BYTES
    except EncodeError:  # of a graph that is too large the size is not told either
        return True


def _quantize(graph: Path, target: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    beside = graph.with_name(f"{graph.name}{WEIGHTS}").exists()
    quantize_dynamic(graph, target, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8,
                     use_external_data_format=beside)  # fmt: skip


def _require_answer(classifier: TextClassifier, folder: Path, variant: str) -> None:
    """Of some kinds of model a graph is made that reads no text: told here, and not when it is judged."""
    try:
        OnnxClassifier.load(folder, variant).predict(["a", "a " * TRIED])
    except Exception as problem:
        if not type(problem).__module__.startswith("onnxruntime"):  # whose errors have no class in common
            raise
        raise ModelError(f"variants: {variant} of a {_kind(classifier)} is a graph that ONNX Runtime cannot run: leave it out of "
                         "`variants`, or start from another kind of model (BERT, DistilBERT and GPT-2 can be)") from problem  # fmt: skip


def _kind(classifier: TextClassifier) -> str:
    return f"{type(classifier.model).__name__} ({classifier.model.config.model_type})"


def _tokenizer_of(classifier: TextClassifier) -> Tokenizer:
    """As transformers has it in memory, which may be more than its file says; it cuts texts where the model does, and knows
    no special token where one in a text is text to the model."""
    backend = getattr(classifier.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(f"variants: {type(classifier.tokenizer).__name__} is a tokenizer in Python, which cannot run without "
                         "transformers; drop `variants`, or give the model a fast tokenizer (tokenizer.json)")  # fmt: skip
    told = json.loads(backend.to_str())
    if as_text(classifier.model) or classifier.tokenizer.split_special_tokens:
        told["added_tokens"] = [token for token in told["added_tokens"] if not token["special"]]
    tokenizer = Tokenizer.from_str(json.dumps(told))
    tokenizer.no_padding()
    tokenizer.enable_truncation(classifier.max_tokens, direction=classifier.tokenizer.truncation_side)
    return tokenizer


def _forget_origins(graph: Any) -> None:
    """The exporter notes from which line of which file on this machine each node comes."""
    parts = [graph, graph.graph, *graph.functions]
    for part in (graph.graph, *graph.functions):
        parts += [*part.node, *part.value_info]
    parts += [*graph.graph.input, *graph.graph.output, *graph.graph.initializer]
    for part in parts:
        del part.metadata_props[:]
        part.doc_string = ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Neither torchvision, which is not needed, nor an optional step of quantization is worth a line."""
    loggers = [logging.getLogger(), logging.getLogger("torch.onnx._internal.exporter._registration")]
    for logger in loggers:
        logger.addFilter(_is_worth_a_line)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch's own, of its own calls
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_worth_a_line)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    said = record.getMessage()
    return "torchvision is not installed" not in said and "run pre-processing before quantization" not in said
