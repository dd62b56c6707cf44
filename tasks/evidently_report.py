"""Evidently's report of a comparison, with every method and threshold set by hand."""

import json
import warnings
from pathlib import Path
from typing import Any

from models.contracts import DriftSignal

CATEGORY = "prediction"


def write_evidently(
    reference: dict[str, list[Any]], current: dict[str, list[Any]], signals: tuple[DriftSignal, ...], folder: Path
) -> tuple[Path, Path, float]:
    """report.html, report.json, and the share of columns that Evidently calls drifted at our thresholds."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    numbers = [name for name in reference if name != CATEGORY]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=[CATEGORY])
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
        snapshot = Report([preset, DataSummaryPreset()], include_tests=True).run(
            current_data=sides[1], reference_data=sides[0]
        )
    found = snapshot.dict()
    html, json_ = folder / "evidently.html", folder / "evidently.json"
    snapshot.save_html(str(html))
    json_.write_text(json.dumps(found, default=str, sort_keys=True))
    return html, json_, _drifted_share(found)


def _drifted_share(found: dict[str, Any]) -> float:
    for metric in found["metrics"]:
        if "DriftedColumnsCount" in json.dumps(metric.get("config", metric.get("metric_id", "")), default=str):
            return float(metric["value"]["share"])
    return 0.0
