"""Metrics of ours in Evidently's report. Importing this module imports Evidently: seconds, so do it late.

The classes have a module of their own because a stored snapshot names them by their path.
"""

from abc import ABC
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from evidently.core.metric_types import CountCalculation, MetricTestResult, SingleValueCalculation, SingleValueMetric
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
from evidently.legacy.core import ColumnType
from evidently.legacy.options import ColorOptions
from evidently.legacy.renderers.html_widgets import CounterData, counter, plotly_data
from evidently.legacy.tests.base_test import TestStatus
from evidently.legacy.utils.visualizations import get_distribution_for_column
from evidently.metrics.column_statistics import (
    DriftedColumnsCount,
    ValueDrift,
    ValueDriftBoundTest,
    ValueDriftCalculation,
    ValueDriftTest,
)

from models.sections import Drift
from tasks.drift_questions import permutations_for
from tasks.metrics.two_sample import categories

SHARES = "permuted_chisquare"
"""The verdict's test of shares. Evidently's own takes the reference's as exactly known, which a few hundred rows are not:
of quiet windows of 2,000 rows against 300 it called a fourth drifted at .00125."""


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
    """Evidently's drift of a column, by its own test, with one figure that is written down as it is.

    Evidently draws two figures a column through plotly's checked objects, one of them of the window's rows by their
    number, which says nothing of a sample; they and what they are made of took most of its time.
    """


class DrawnDriftCalculation(ValueDriftCalculation, ABC):  # ABC: else Evidently would calculate every ValueDrift by it
    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
        column = reference_data.column(self.metric.column)
        then, now = column.data.dropna(), current_data.column(self.metric.column).data.dropna()
        test = get_stattest(then, now, column.type, self.metric.method)
        said = test(then, now, column.type, self.metric.threshold)
        result = self.result(float(said.drift_score))
        told = f"{test.display_name}: {said.drift_score:.3g}, threshold {said.actual_threshold:.3g}"
        result.widget = self._drawn(told, bool(said.drifted), column.type.value, then, now)
        result.set_tests([self._tested(told, bool(said.drifted))])
        return result

    def _drawn(self, told: str, drifted: bool, kind: str, then: Any, now: Any) -> list[Any]:
        verdict = f"Drift in {self.metric.column!r} {'detected' if drifted else 'not detected'}"
        current, reference = get_distribution_for_column(column_type=kind, current=now, reference=then)
        colors = ColorOptions()
        bars = [
            _bars("reference", reference, colors.get_reference_data_color()),
            _bars("current", current, colors.get_current_data_color()),
        ]
        layout = {"yaxis": {"title": {"text": "per cent of rows"}}}
        return [
            counter(title="", counters=[CounterData(told, verdict)]), plotly_data(title="", data=bars, layout=layout)
        ]  # fmt: skip

    def _tested(self, told: str, drifted: bool) -> MetricTestResult:
        bound = ValueDriftBoundTest(test=ValueDriftTest(), metric_fingerprint=self.to_metric().metric_id)
        return MetricTestResult(
            id="drift", name=f"Value Drift for column {self.metric.column}", description=told,
            status=TestStatus.FAIL if drifted else TestStatus.SUCCESS, metric_config=self.to_metric_config(),
            test_config={}, bound_test=bound,
        )  # fmt: skip


class CountedDrift(DriftedColumnsCount):
    """How many columns have drifted by their `DrawnDrift`. Evidently works out every column once more for its count."""


class CountedDriftCalculation(CountCalculation[CountedDrift], ABC):
    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
        methods, thresholds = self.metric.per_column_method, self.metric.per_column_threshold
        columns = [DrawnDrift(column=name, method=methods[name], threshold=thresholds[name]) for name in methods]
        tests = [test for column in columns for test in context.get_metric_result(column.to_calculation()).tests]
        drifted = sum(test.status == TestStatus.FAIL for test in tests)
        return self.result(drifted, drifted / len(columns))

    def display_name(self) -> str:
        return "Count of Drifted Columns"

    def share_display_name(self) -> str:
        return "Share of Drifted Columns"


def _shares_moved(then: Any, now: Any, _kind: ColumnType, threshold: float) -> tuple[float, bool]:
    codes, names = pd.factorize(pd.concat([then, now]))
    permutations = permutations_for(threshold, at_least=Drift().permutations)
    found = categories(codes[: len(then)], codes[len(then) :], kinds=len(names), permutations=permutations,
                       rng=np.random.default_rng(0))  # fmt: skip
    return found.p_value, found.p_value <= threshold


register_stattest(
    StatTest(SHARES, "chi-square p_value, by permutation", [ColumnType.Categorical]), default_impl=_shares_moved
)
DrawnDrift.__calculation_type__ = DrawnDriftCalculation
CountedDrift.__calculation_type__ = CountedDriftCalculation


def _bars(name: str, distribution: Any, color: str) -> dict[str, Any]:
    """Of categories, or of a histogram, which has one edge more than bars."""
    x, rows = list(distribution.x), sum(distribution.y)
    if len(x) > len(distribution.y):
        x = [(low + high) / 2 for low, high in pairwise(x)]
    shares = [100 * y / rows for y in distribution.y]
    return {"type": "bar", "name": name, "x": x, "y": shares, "marker": {"color": color}}
