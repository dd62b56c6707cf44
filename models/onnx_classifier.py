"""Runs the ONNX variant of a released classifier without torch: tokenizers, onnxruntime and numpy are enough.

It reads the folder `onnx/` of a version, which stands for itself: the graph gives probabilities, its tokenizer cuts texts
where the model was judged to cut them, and `classifier.json` names the labels. This module imports nothing of Upkeep, so
that a server may take the one file along:

    model = OnnxClassifier.load(Path("my-model/onnx"))
    model.answer(["what a film"])   # ["positive"]
    model.predict(["what a film"])  # rows × labels, float32
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRAPHS = {"onnx": "model.onnx", "onnx-int8": "model-int8.onnx"}
"""Variant -> its file in the folder; they share what follows."""
WEIGHTS = ".data"
"""Ends the name of the file beside a graph that is too large to hold its weights itself."""
TOKENIZER, CLASSIFIER = "tokenizer.json", "classifier.json"


class OnnxClassifier:
    """One text at a time: dynamic quantization takes one scale for a whole batch, so that in a batch an answer would
    depend on its neighbours, and not be the one that was judged."""

    def __init__(
        self, session: Any, tokenizer: Any, *, labels: Sequence[str], threshold: float | None, unknown: int
    ) -> None:
        """`threshold`: of the probability from which a label is answered, where a row may have several; None: the most
        probable one is. `unknown`: the token of a text of which the tokenizer makes none."""
        self.session, self.tokenizer, self.labels, self.threshold = session, tokenizer, tuple(labels), threshold
        self.unknown = unknown

    @classmethod
    def load(cls, folder: Path, variant: str = "onnx", *, threads: int = 1) -> Self:
        """`threads` of the processor for each text; a server of many requests is faster with one. ValueError where the folder
        does not hold the variant."""
        import onnxruntime
        from tokenizers import Tokenizer

        there = [name for name, file in GRAPHS.items() if (folder / file).is_file()]
        if variant not in there:
            raise ValueError(f"{folder} holds no variant {variant!r}, but: {', '.join(there) or 'none'}. Name one of these, or have it made "
                             "by `variants` of the spec")  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        graph = str(folder / GRAPHS[variant])
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        told = json.loads((folder / CLASSIFIER).read_text(encoding="utf-8"))
        return cls(session, Tokenizer.from_file(str(folder / TOKENIZER)), labels=told["labels"],
                   threshold=told["threshold"], unknown=told["unknown"])  # fmt: skip

    def predict(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """rows × labels: the probability of each."""
        import numpy as np

        found = np.zeros((len(texts), len(self.labels)), np.float32)
        for row, text in enumerate(texts):
            tokens = np.array([self.tokenizer.encode(text).ids or [self.unknown]], np.int64)
            found[row] = self.session.run(None, {"input_ids": tokens, "attention_mask": np.ones_like(tokens)})[0][0]
        return found

    def answer(self, texts: Sequence[str]) -> list[str]:
        """The label of each text; where a row may have several `a|b`, and `[]` for none."""
        found = self.predict(texts)
        if self.threshold is None:
            return [self.labels[label] for label in found.argmax(1)]
        said = (found >= self.threshold).tolist()
        return ["|".join(n for n, is_in in zip(self.labels, row, strict=True) if is_in) or "[]" for row in said]
