"""Metrics of ours in Evidently's report. Importing this module imports Evidently: seconds, so do it late.

The classes have a module of their own because a stored snapshot names them by their path.
"""

from abc import ABC
from itertools import pairwise
from typing import Any

from evidently.core.metric_types import SingleValueCalculation, SingleValueMetric
from evidently.legacy.renderers.html_widgets import CounterData, counter, plotly_data
from evidently.metrics.column_statistics import ValueDrift, ValueDriftCalculation


class Recorded(SingleValueMetric):
    """A number that was worked out elsewhere."""

    title: str
    recorded: float


class RecordedCalculation(SingleValueCalculation[Recorded]):  # found by Evidently through its type argument
    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
        return self.result(self.metric.recorded), None

    def display_name(self) -> str:
        return self.metric.title


class DrawnDrift(ValueDrift):
    """Evidently's drift of a column, with one figure that is written down as it is.

    Evidently builds its two figures a column through plotly's checked objects, which took two thirds of its time, and
    one of them shows the window's rows by their number, which says nothing of a sample.
    """


class DrawnDriftCalculation(ValueDriftCalculation, ABC):  # ABC: else Evidently would calculate every ValueDrift by it
    def _render(self, result: Any, options: Any, color_options: Any) -> list[Any]:
        told = f"{result.stattest_name}: {result.drift_score:.3g}, threshold {result.stattest_threshold:.3g}"
        verdict = f"Drift in {result.column_name!r} {'detected' if result.drift_detected else 'not detected'}"
        bars = [
            _bars("reference", result.reference.distribution, color_options.get_reference_data_color()),
            _bars("current", result.current.distribution, color_options.get_current_data_color()),
        ]
        layout = {"yaxis": {"title": {"text": "per cent of rows"}}}
        return [
            counter(title="", counters=[CounterData(told, verdict)]), plotly_data(title="", data=bars, layout=layout)
        ]  # fmt: skip


DrawnDrift.__calculation_type__ = DrawnDriftCalculation


def _bars(name: str, distribution: Any, color: str) -> dict[str, Any]:
    """Of categories, or of a histogram, which has one edge more than bars."""
    x, rows = list(distribution.x), sum(distribution.y)
    if len(x) > len(distribution.y):
        x = [(low + high) / 2 for low, high in pairwise(x)]
    shares = [100 * y / rows for y in distribution.y]
    return {"type": "bar", "name": name, "x": x, "y": shares, "marker": {"color": color}}
