"""Evidently's report of a comparison, with every method and threshold set by hand."""

import functools
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.contracts import DriftSignal
from tasks.metrics.descriptors import describe

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPORT_ROWS = 20_000

CATEGORIES = ("prediction", "label")


def shown(
    texts: list[str], probabilities: "NDArray[np.float32]", truth: "NDArray[np.int64] | None", *,
    names: tuple[str, ...], rng: np.random.Generator,
) -> dict[str, list[Any]]:  # fmt: skip
    """What Evidently shows of a side: at most REPORT_ROWS rows, descriptors, confidence, prediction and label.

    `truth`: label numbers, negative where unknown; None leaves the column out.
    """
    chosen = np.sort(rng.permutation(len(texts))[:REPORT_ROWS])
    columns: dict[str, list[Any]] = {
        name: values.tolist() for name, values in describe([texts[i] for i in chosen]).items()
    }
    columns["confidence"] = probabilities[chosen].max(1).astype(float).tolist()
    columns["prediction"] = [names[i] for i in probabilities[chosen].argmax(1)]
    if truth is not None:
        columns["label"] = [names[i] if i >= 0 else None for i in truth[chosen]]
    return columns


def write_evidently(
    reference: dict[str, list[Any]], current: dict[str, list[Any]], signals: tuple[DriftSignal, ...], folder: Path
) -> tuple[Path, Path, float]:
    """report.html, report.json, and the share of columns that Evidently calls drifted at our thresholds."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    numbers = [name for name in reference if name not in CATEGORIES]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=[name for name in CATEGORIES if name in reference]
    )
    sides = [Dataset.from_pandas(pd.DataFrame(side), data_definition=definition) for side in (reference, current)]
    thresholds = {signal.name: signal.threshold for signal in signals}
    strictest = min(thresholds.values())
    preset = DataDriftPreset(
        num_method="ks", cat_method="chisquare", num_threshold=strictest, cat_threshold=strictest,
        per_column_method=dict.fromkeys(numbers, "ks"),
        per_column_threshold={name: thresholds.get(name, strictest) for name in numbers}, drift_share=0.5,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # correlations of columns that do not vary
        snapshot = Report([preset, *_ours(signals), DataSummaryPreset()], include_tests=True).run(
            current_data=sides[1], reference_data=sides[0]
        )
    found = snapshot.dict()
    html, json_ = folder / "evidently.html", folder / "evidently.json"
    snapshot.save_html(str(html))
    json_.write_text(json.dumps(found, default=str, sort_keys=True))
    return html, json_, _drifted_share(found)


def _ours(signals: tuple[DriftSignal, ...]) -> list[Any]:
    """The embeddings' p-value and effect as metrics of the report: Evidently has no valid test of its own for them."""
    metric = _recorded_metric()
    return [
        metric(title=f"{signal.name}: {title} ({signal.method})", recorded=value)
        for signal in signals if signal.family == "embedding"
        for title, value in (("p-value", signal.p_value), (signal.effect_name, signal.effect))
    ]  # fmt: skip


@functools.cache  # Evidently keeps a registry of metric types: one class a process
def _recorded_metric() -> Any:
    from evidently.core.metric_types import SingleValueCalculation, SingleValueMetric

    class Recorded(SingleValueMetric):
        title: str
        recorded: float

    class RecordedCalculation(SingleValueCalculation[Recorded]):  # found by Evidently through its type argument
        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
            return self.result(self.metric.recorded), None

        def display_name(self) -> str:
            return self.metric.title

    return Recorded


def _drifted_share(found: dict[str, Any]) -> float:
    return next(
        float(metric["value"]["share"])
        for metric in found["metrics"]
        if metric["metric_name"].startswith("DriftedColumnsCount")
    )
