"""What Evidently says of the same windows by its own defaults.

Its drift scores and verdicts come from its own functions with its own choice of method and threshold; the preset
spends a second a window on plots that nobody looks at here. `whole_preset` runs the preset as a user does, and the
benchmarks hold a part of the windows against it.
"""

import warnings
from typing import Any

import pandas as pd

from tasks.evidently_report import CATEGORIES, DRIFT_SHARE, Columns, default_tests, shown
from tasks.sides import Side


def columns(side: Side, names: tuple[str, ...]) -> Columns:
    """Descriptors, confidence, prediction, and the label where it is known: what Upkeep's report gives to Evidently."""
    return shown(side, names=names, labelled=bool(len(side.known)))


def drifted_columns(reference: Columns, current: Columns) -> dict[str, bool]:
    """Column → has it drifted, by Evidently's default test of its kind."""
    found = default_tests(pd.DataFrame(reference), pd.DataFrame(current))
    return {name: drifted for name, (_, drifted) in found.items()}


def whole_preset(reference: Columns, current: Columns) -> dict[str, bool]:
    """The same through `Report([DataDriftPreset()])`."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers = [name for name in reference if name not in CATEGORIES]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=[name for name in CATEGORIES if name in reference]
    )
    sides = [Dataset.from_pandas(pd.DataFrame(side), data_definition=definition) for side in (reference, current)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = Report([DataDriftPreset()]).run(current_data=sides[1], reference_data=sides[0]).dict()
    drifts = [m for m in found["metrics"] if m["metric_name"].startswith("ValueDrift")]
    by_column = {m["config"]["column"]: _beyond(m["value"], m["config"]) for m in drifts}
    count = next(m["value"]["count"] for m in found["metrics"] if m["metric_name"].startswith("DriftedColumnsCount"))
    if sum(by_column.values()) != count:
        raise AssertionError(f"Evidently counts {count} drifted columns, and their scores say {by_column}")
    return by_column


def _beyond(value: float, config: dict[str, Any]) -> bool:
    """Distances drift from the threshold upwards, p-values up to it."""
    return value <= config["threshold"] if "p_value" in config["method"] else value >= config["threshold"]


def text_drifted(reference: list[str], current: list[str]) -> bool:
    """Its drift of a text column: a classifier is trained to tell the two sides apart, and its AUC is above .55 (its
    default from 1,000 reference rows on)."""
    from evidently.legacy.utils.data_drift_utils import calculate_text_drift_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(calculate_text_drift_score(pd.Series(reference), pd.Series(current), bootstrap=False)[1])


def dataset_drifted(by_column: dict[str, bool]) -> bool:
    return sum(by_column.values()) >= DRIFT_SHARE * len(by_column)
