"""Evidently's report of a comparison, with every method and threshold set by hand, and its own verdict without."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.contracts import DriftSignal, EvidentlyVerdict
from tasks.answers import REQUEST_LATENCY
from tasks.sides import Side

if TYPE_CHECKING:
    import pandas as pd

CATEGORIES = ("prediction", "label")
NAMED = {"label": "label shares"}
"""Columns that are called otherwise than their signal."""
DRIFT_SHARE = 0.5
"""Evidently's default: a data set has drifted when half of its columns have."""

Columns = dict[str, Any]


@dataclass(frozen=True)
class EvidentlyReport:
    html: Path
    snapshot: Path
    """For Evidently's own dashboard over time."""
    share: float
    """Of the columns that Evidently calls drifted by the methods and thresholds of our verdict."""
    default: EvidentlyVerdict


def shown(side: Side, *, names: tuple[str, ...], labelled: bool) -> Columns:
    """What Evidently shows of a side: descriptors, the answers' numbers (of a classifier its confidence, prediction and,
    where it is `labelled`, the label). Not a request's latency: it knows no test of whether that is a multiple of what it
    was, and calls every hour's change a drift."""
    whole = side.answers if side.predicted is None else dict(list(side.answers.items())[-1:])
    numbers = {name: values.astype(float) for name, values in whole.items() if name != REQUEST_LATENCY}
    columns: Columns = {**side.descriptors, **numbers}
    if side.predicted is not None:
        columns["prediction"] = [names[i] for i in side.predicted]
    if labelled:
        columns["label"] = [names[i] if i >= 0 else None for i in side.labels]
    return columns


def write_evidently(
    reference: Columns, current: Columns, signals: tuple[DriftSignal, ...], folder: Path
) -> EvidentlyReport:
    """The page and the snapshot in a folder, with the embeddings' test as metrics of their own."""
    import pandas as pd
    from evidently import Report

    frames = [pd.DataFrame(side) for side in (reference, current)]
    sides = [_dataset(frame) for frame in frames]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # correlations of columns that do not vary
        snapshot = Report([*_theirs(list(reference), signals), *_ours(signals)], include_tests=True).run(
            current_data=sides[1], reference_data=sides[0]
        )
    html, kept = folder / "evidently.html", folder / "snapshot.json"
    snapshot.save_html(str(html))
    kept.write_text(snapshot.dumps())  # what save_json writes, Evidently cannot load again
    metrics = snapshot.dict()["metrics"]
    share = next(m["value"]["share"] for m in metrics if m["metric_name"].startswith("CountedDrift"))
    return EvidentlyReport(html, kept, float(share), default_verdict(*frames, signals=signals))


def _dataset(frame: "pd.DataFrame") -> Any:
    from evidently import DataDefinition, Dataset

    categories = [name for name in CATEGORIES if name in frame]
    definition = DataDefinition(
        numerical_columns=[name for name in frame if name not in categories], categorical_columns=categories
    )
    return Dataset.from_pandas(frame, data_definition=definition)


def _theirs(names: list[str], signals: tuple[DriftSignal, ...]) -> list[Any]:
    """Evidently's drift of every column and the share that drifted, by our tests and thresholds."""
    from tasks.evidently_metric import SHARES, CountedDrift, DrawnDrift

    set_ = {signal.name: signal.threshold for signal in signals}
    thresholds = {name: set_.get(NAMED.get(name, name), min(set_.values())) for name in names}
    methods = {name: SHARES if name in CATEGORIES else "ks" for name in names}
    return [
        CountedDrift(drift_share=DRIFT_SHARE, per_column_method=methods, per_column_threshold=thresholds),
        *(DrawnDrift(column=name, method=methods[name], threshold=thresholds[name]) for name in names),
    ]


def default_tests(reference: "pd.DataFrame", current: "pd.DataFrame") -> dict[str, tuple[str, bool]]:
    """Column → Evidently's default test of its kind with its threshold, and whether the column has drifted by it."""
    from evidently.legacy.calculations.stattests import get_stattest

    found = {}
    for name in map(str, reference):
        then, now = (side[name].dropna() for side in (reference, current))
        kind = "cat" if name in CATEGORIES else "num"
        test = get_stattest(then, now, kind, None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            said = test(then, now, kind, None)
        found[name] = f"{test.display_name} at {said.actual_threshold:g}", bool(said.drifted)
    return found


def default_verdict(
    reference: "pd.DataFrame", current: "pd.DataFrame", *, signals: tuple[DriftSignal, ...]
) -> EvidentlyVerdict:
    """What Evidently says with nothing set by hand, and why that is not what we say."""
    found = default_tests(reference, current).values()
    share = sum(drifted for _, drifted in found) / len(found)
    methods = ", ".join(sorted({method for method, _ in found}))
    ours = [signal.name for signal in signals if signal.drifted]
    drifted = share >= DRIFT_SHARE
    because = _why_different(drifted, ours, len(found), methods)
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
