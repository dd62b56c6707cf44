"""A number of ours as a metric of Evidently's report. Importing this module imports Evidently: seconds, so do it late.

The class has a module of its own because a stored snapshot names it by its path.
"""

from typing import Any

from evidently.core.metric_types import SingleValueCalculation, SingleValueMetric


class Recorded(SingleValueMetric):
    title: str
    recorded: float


class RecordedCalculation(SingleValueCalculation[Recorded]):  # found by Evidently through its type argument
    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:
        return self.result(self.metric.recorded), None

    def display_name(self) -> str:
        return self.metric.title
