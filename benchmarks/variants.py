"""Claim: a release's ONNX variants answer as its full weights do, and sooner; and an int8 one answers alike on any processor.

MiniLM, fine-tuned on film sentences as in the other benchmarks; rows that it never trained on. Times are of one text at a
time on one thread, the arms in turn on each text, so that other work on the machine slows all alike: trust the ratios. What a
processor that multiplies int8 exactly (VNNI) would answer is worked out by ONNX's reference evaluator.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.champion import KIND, Scored, champion, held_out
from benchmarks.corpus import CACHE
from benchmarks.results import Bar, Findings, Options, Table, main, share
from benchmarks.scratch import scratch_folder
from errors import DataError
from models.onnx_classifier import GRAPHS, OnnxClassifier
from models.onnx_export import export_variants
from models.text_classification import TextClassifier
from tasks.timing import time_in_turn
from tasks.variants import largest_gap, same_answers

ROWS, QUICK_ROWS = 3000, 300
EXACT_ROWS, QUICK_EXACT_ROWS = 200, 10
FULL, WHOLE_BYTES = "full weights, torch", "int8 in 8 bits"
"""The latter is not made by Upkeep: it is what seven bits are chosen instead of."""
AGREE = 0.95


def measure_variants(options: Options) -> Findings:
    scored = held_out("films")
    if scored is None:
        raise DataError("the film sentences could not be read; see examples/sentiment/README.md")
    rows = scored.take(np.arange(QUICK_ROWS if options.quick else ROWS))
    model, texts = champion("films"), rows.corpus.texts
    asked = texts[: QUICK_EXACT_ROWS if options.quick else EXACT_ROWS]
    with scratch_folder() as folder:
        arms = _arms(model, Path(folder))
        graphs = {name: Path(folder) / GRAPHS.get(name, "8-bits.onnx") for name in arms}
        sizes = {name: f"{graph.stat().st_size / 1e6:.1f} MB" for name, graph in graphs.items()}
        exact = {name: _exactly(graphs[name], arms[name], asked) for name in arms if name != "onnx"}
        found = {name: arm.predict(texts) for name, arm in arms.items()}
        times = _times(model, arms, texts, rounds=options.runs)
    alike = tuple((name, *_alike(found[name][: len(asked)], exact[name])) for name in exact)
    return Findings(
        question="Do the ONNX variants of a release answer as its full weights do, and how fast?",
        tables=(_table(rows, found, sizes, times), Table(
            title=f"The same file on this processor and with exact integers, {len(asked)} texts",
            says="Gaps are of probabilities.", columns=("what", "same answers", "mean gap", "largest gap"), rows=alike,
        )),
        bars=tuple(_bar(name, _same(rows, found[name]), len(texts)) for name in GRAPHS),
        notes=("of the CPU's extensions those that multiply int8 (VNNI) decide what int8 gains, and whether eight bits saturate: "
               f"this one has {'them' if _has_vnni() else 'none'}",
               "a variant is asked for one text at a time, the full weights for all agreement in padded batches"),
    )  # fmt: skip


def _table(
    rows: Scored, found: dict[str, NDArray[np.float32]], sizes: dict[str, str], times: dict[str, list[float]]
) -> Table:
    weights = (CACHE / "champions" / "films" / "model.safetensors").stat().st_size
    full = (FULL, f"{weights / 1e6:.1f} MB", "–", "–", _told(times[FULL]), "1.00", _right(rows.probabilities, rows))
    lines = [
        (name, sizes[name], share(_same(rows, numbers), len(rows)), f"{largest_gap(rows.probabilities, numbers):.2g}",
         _told(times[name]), f"{_ratio(times, name):.2f}", _right(numbers, rows))
        for name, numbers in found.items()
    ]  # fmt: skip
    return Table(
        title=f"{len(rows):,} held-out film sentences",
        says="Medians of one text, lowest and highest of the rounds; the ratio is the median of the rounds'.",
        columns=("what", "file", "same answers", "largest gap", "ms a text", "× full", "accuracy"), rows=(full, *lines),
    )  # fmt: skip


def _bar(name: str, same: int, rows: int) -> Bar:
    return Bar(promise=f"{name}: the same answers on at least {AGREE:.0%} of the rows", met=same / rows >= AGREE,
               measured=share(same, rows))  # fmt: skip


def _same(rows: Scored, numbers: NDArray[np.float32]) -> int:
    return int(same_answers(rows.probabilities, numbers, KIND).sum())


def _arms(model: TextClassifier, folder: Path) -> dict[str, OnnxClassifier]:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    export_variants(model, tuple(GRAPHS), folder)
    arms = {name: OnnxClassifier.load(folder, name) for name in GRAPHS}
    whole = folder / "8-bits.onnx"
    quantize_dynamic(folder / GRAPHS["onnx"], whole, per_channel=True, weight_type=QuantType.QInt8)
    (folder / "whole").mkdir()
    for path in folder.glob("*.json"):
        (folder / "whole" / path.name).write_bytes(path.read_bytes())
    (folder / "whole" / GRAPHS["onnx"]).write_bytes(whole.read_bytes())
    return arms | {WHOLE_BYTES: OnnxClassifier.load(folder / "whole")}


def _exactly(graph: Path, arm: OnnxClassifier, texts: list[str]) -> NDArray[np.float32]:
    """The graph's probabilities with products of int8 that cannot saturate."""
    import onnx
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun

    class GatherElements(OpRun):
        """onnx 1.23's own fails above 64 columns."""

        def _run(self, data: Any, indices: Any, axis: int = 0) -> tuple[Any]:
            return (np.take_along_axis(data, indices, axis=axis),)

    evaluator = ReferenceEvaluator(onnx.load(graph), new_ops=[GatherElements])
    return OnnxClassifier(evaluator, arm.tokenizer, labels=arm.labels, threshold=None, unknown=0).predict(texts)


def _alike(here: NDArray[np.float32], exact: NDArray[np.float32]) -> tuple[str, str, str]:
    gaps = np.abs(here - exact)
    return share(int(same_answers(here, exact, KIND).sum()), len(here)), f"{gaps.mean():.4f}", f"{gaps.max():.2f}"


def _ask(arm: OnnxClassifier, text: str) -> object:
    return arm.predict([text])


def _times(
    model: TextClassifier, arms: dict[str, OnnxClassifier], texts: list[str], *, rounds: int
) -> dict[str, list[float]]:
    """Medians in milliseconds, one a round, each of other texts."""
    import torch

    torch.set_num_threads(1)
    asked: dict[str, Callable[[str], object]] = {FULL: lambda text: model.predict([text], advance=lambda _: None)}
    for name, arm in arms.items():
        asked[name] = partial(_ask, arm)
    found = [time_in_turn(asked, texts[45 * number :]) for number in range(rounds)]
    return {name: [timed[name].p50 for timed in found] for name in asked}


def _has_vnni() -> bool:
    return "vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8")


def _ratio(times: dict[str, list[float]], name: str) -> float:
    return float(np.median(np.array(times[name]) / np.array(times[FULL])))


def _told(medians: list[float]) -> str:
    return f"{np.median(medians):.1f} ({min(medians):.1f}–{max(medians):.1f})"


def _right(numbers: NDArray[np.float32], rows: Scored) -> str:
    return f"{100 * float((numbers.argmax(1) == rows.corpus.labels).mean()):.1f} %"


if __name__ == "__main__":
    main("variants", measure_variants, runs=7, quick=2)
