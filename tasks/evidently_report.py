"""Evidently's report of a comparison, with every method and threshold set by hand, and its own verdict without."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.contracts import DriftSignal, EvidentlyVerdict
from tasks.metrics.descriptors import describe

if TYPE_CHECKING:
    from numpy.typing import NDArray

CATEGORIES = ("prediction", "label")
DRIFT_SHARE = 0.5
"""Evidently's default: a data set has drifted when half of its columns have."""

Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class EvidentlyReport:
    html: Path
    json: Path
    snapshot: Path
    """For Evidently's own dashboard over time."""
    share: float
    """Of the columns that Evidently calls drifted by the methods and thresholds of our verdict."""
    default: EvidentlyVerdict


def shown(
    texts: list[str], probabilities: "NDArray[np.float32]", truth: "NDArray[np.int64] | None", *,
    names: tuple[str, ...],
) -> Columns:  # fmt: skip
    """What Evidently shows of a side: descriptors, confidence, prediction and label.

    `truth`: label numbers, negative where unknown; None leaves the column out.
    """
    columns: Columns = {name: values.tolist() for name, values in describe(texts).items()}
    columns["confidence"] = probabilities.max(1).astype(float).tolist()
    columns["prediction"] = [names[i] for i in probabilities.argmax(1)]
    if truth is not None:
        columns["label"] = [names[i] if i >= 0 else None for i in truth]
    return columns


def write_evidently(
    reference: Columns, current: Columns, signals: tuple[DriftSignal, ...], folder: Path
) -> EvidentlyReport:
    """report.html and report.json in a folder, with the embeddings' test as metrics of their own."""
    from evidently import Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    numbers = [name for name in reference if name not in CATEGORIES]
    sides = [_dataset(side, numbers) for side in (reference, current)]
    thresholds = {signal.name: signal.threshold for signal in signals}
    strictest = min(thresholds.values())
    preset = DataDriftPreset(
        num_method="ks", cat_method="chisquare", num_threshold=strictest, cat_threshold=strictest,
        per_column_method=dict.fromkeys(numbers, "ks"),
        per_column_threshold={name: thresholds.get(name, strictest) for name in numbers}, drift_share=DRIFT_SHARE,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # correlations of columns that do not vary
        snapshot = Report([preset, *_ours(signals), DataSummaryPreset()], include_tests=True).run(
            current_data=sides[1], reference_data=sides[0]
        )
    found = snapshot.dict()
    html, json_, kept = (folder / name for name in ("evidently.html", "evidently.json", "snapshot.json"))
    snapshot.save_html(str(html))
    json_.write_text(json.dumps(found, default=str, sort_keys=True))
    kept.write_text(snapshot.dumps())  # what save_json writes, Evidently cannot load again
    return EvidentlyReport(html, json_, kept, _drifted_share(found), default_verdict(sides[0], sides[1], signals))


def _dataset(columns: Columns, numbers: list[str]) -> Any:
    import pandas as pd
    from evidently import DataDefinition, Dataset

    categories = [name for name in CATEGORIES if name in columns]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    return Dataset.from_pandas(pd.DataFrame(columns), data_definition=definition)


def default_verdict(reference: Any, current: Any, signals: tuple[DriftSignal, ...]) -> EvidentlyVerdict:
    """What Evidently says with nothing set by hand, and why that is not what we say."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = Report([DataDriftPreset()]).run(current_data=current, reference_data=reference).dict()
    share = _drifted_share(found)
    configs = [m["config"] for m in found["metrics"] if "method" in m["config"]]
    methods = ", ".join(sorted({f"{c['method']} at {c['threshold']:g}" for c in configs}))
    ours = [signal.name for signal in signals if signal.drifted]
    drifted = share >= DRIFT_SHARE
    because = _why_different(drifted, ours, len(configs), methods)
    return EvidentlyVerdict(drifted=drifted, share=share, method=methods, because=because)


def _why_different(theirs: bool, ours: list[str], columns: int, methods: str) -> str:
    if theirs and not ours:
        return (f"its defaults ({methods}) hold no false-alarm rate over {columns} columns, and small windows pass them "
                "by chance; our tests share one rate over all signals")  # fmt: skip
    if ours and not theirs:
        blind = ", and it does not look at embeddings" if any(name.startswith("embeddings") for name in ours) else ""
        return (f"it asks for half of its {columns} columns to drift ({methods}){blind}; "
                f"we found {', '.join(ours[:3])}")  # fmt: skip
    return ""


def _ours(signals: tuple[DriftSignal, ...]) -> list[Any]:
    """The embeddings' p-value and effect as metrics of the report: Evidently has no valid test of its own for them."""
    from tasks.evidently_metric import Recorded

    return [
        Recorded(title=f"{signal.name}: {title} ({signal.method})", recorded=value)
        for signal in signals if signal.family == "embedding"
        for title, value in (("p-value", signal.p_value), (signal.effect_name, signal.effect))
    ]  # fmt: skip


def _drifted_share(found: dict[str, Any]) -> float:
    return next(
        float(metric["value"]["share"])
        for metric in found["metrics"]
        if metric["metric_name"].startswith("DriftedColumnsCount")
    )
