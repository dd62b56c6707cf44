"""Did the inputs change? Evidently's report for the eye, and a verdict whose false-alarm rate is the spec's alpha.

Four families of questions (embeddings, predictions, texts, and labels where both sides have them) share alpha by
Bonferroni, and the tests within a family share its part. Evidently's own dataset verdict is kept beside ours: at its
defaults it alarms on most quiet small windows (measured in the field notes). The verdict's p-values come from
`tasks.metrics.two_sample`: Evidently's KS is the same scipy call (a test holds them together), but its chi-squared
takes the reference's shares as exactly known, which a few hundred reference rows are not.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import DataError
from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import Artifact, DriftReport, DriftSignal, Scores, Table
from models.sections import Drift
from tasks.evidently_report import REPORT_ROWS, shown, write_evidently
from tasks.metrics.descriptors import describe
from tasks.metrics.two_sample import Tested, categories, ks, mmd

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = -1
MOST_PERMUTATIONS = 99_999


@dataclass(frozen=True)
class Side:
    """One side of the comparison; all arrays are in the rows' order."""

    texts: list[str]
    probabilities: "NDArray[np.float32]"
    embeddings: "NDArray[np.float32]"
    labels: "NDArray[np.int64]"
    """Label numbers of all rows; `UNKNOWN` where the truth is not known."""

    @property
    def rows(self) -> int:
        return len(self.texts)

    @property
    def known(self) -> "NDArray[np.int64]":
        """Label numbers of the rows that have one."""
        return self.labels[self.labels != UNKNOWN]


@task(name="detect drift", cache_policy=NO_CACHE)
@once("drift")
def detect_drift(
    rows: Table, scores: Scores, baseline: Table, baseline_scores: Scores, *,
    labels: tuple[str, ...], policy: Drift, alpha: float, seed: int, store: ObjectStore,
) -> DriftReport:  # fmt: skip
    """`baseline`: rows that the champion never trained on. Both sides must come scored by the same model.

    `alpha` is this run's level: `policy.alpha`, or less where the year's budget of false alarms asks for it.
    """
    asked, policy = policy.alpha, policy.model_copy(update={"alpha": alpha})
    reference = _side(baseline, baseline_scores, labels, store)
    current = _side(rows, scores, labels, store)
    signals = find_signals(reference, current, label_names=labels, policy=policy, seed=seed)
    largest = max(reference.rows, current.rows)
    html, json_, share = _evidently(reference, current, labels, signals, seed=seed, store=store)
    return DriftReport(
        signals=signals, alpha=policy.alpha, correction="Bonferroni over families, then over the tests of a family",
        reference_rows=reference.rows, current_rows=current.rows, compared_rows=min(policy.max_rows, largest),
        evidently_html=html, evidently_json=json_, evidently_share=share,
        notes=_notes(largest, policy, asked=asked, labelled=_labelled(reference, current)),
    )  # fmt: skip


def _notes(largest: int, policy: Drift, *, asked: float, labelled: bool) -> tuple[str, ...]:
    """What a reader must know of how the numbers came about."""
    permutations = _permutations(policy, labelled=labelled)
    sampled = f"were compared on a seeded sample of at most {policy.max_rows} rows a side"
    notes = {
        f"embeddings {sampled}": largest > policy.max_rows,
        f"Evidently's report shows a seeded sample of {REPORT_ROWS} rows a side": largest > REPORT_ROWS,
        f"tested at alpha = {policy.alpha:.2g} and not drift.alpha = {asked:g}: so soon after the last run, "
        "policy.false_alarms_a_year affords no more": policy.alpha < asked,
        f"the embeddings alone cannot alarm: {MOST_PERMUTATIONS} permutations would not reach their share of alpha = "
        f"{policy.alpha:.2g}": _share_of_alpha(policy, labelled=labelled) < 2 / MOST_PERMUTATIONS,
        f"permutations were raised from {policy.permutations} to {permutations}: with fewer, no p-value "
        f"could reach its share of alpha = {policy.alpha:g}": permutations > policy.permutations,
    }
    return tuple(note for note, holds in notes.items() if holds)


def _labelled(reference: Side, current: Side) -> bool:
    return bool(len(reference.known) and len(current.known))


def _share_of_alpha(policy: Drift, *, labelled: bool) -> float:
    return policy.alpha / (4 if labelled else 3)


def _permutations(policy: Drift, *, labelled: bool) -> int:
    """Enough for the smallest p-value, 1 / (permutations + 1), to be half a family's share of alpha; where that
    would be too many, raising them would help nothing."""
    share = _share_of_alpha(policy, labelled=labelled)
    if share * MOST_PERMUTATIONS < 2:
        return policy.permutations
    return max(policy.permutations, int(np.ceil(2 / share)))


def find_signals(
    reference: Side, current: Side, *, label_names: tuple[str, ...], policy: Drift, seed: int
) -> tuple[DriftSignal, ...]:
    """Every test with its p-value, its share of alpha, and its effect."""
    if not reference.rows or not current.rows:
        raise DataError(
            f"drift compares two samples, and there are {reference.rows} baseline and {current.rows} current rows; "
            "one side is empty. Look at the window's quarantine, or lower training.test_share of the reference."
        )
    rng = np.random.default_rng(seed)
    labelled = _labelled(reference, current)
    share, permutations = _share_of_alpha(policy, labelled=labelled), _permutations(policy, labelled=labelled)
    signals = [_embedding(reference, current, policy, share, permutations, rng)]
    signals += _predictions(reference, current, label_names, policy, share)
    signals += _texts(reference, current, policy, share)
    if labelled:
        signals.append(_label_shares(reference.known, current.known, label_names, policy, share, permutations, rng))
    return tuple(signals)


def _label_shares(
    then: "NDArray[np.int64]", now: "NDArray[np.int64]", names: tuple[str, ...], policy: Drift, share: float,
    permutations: int, rng: np.random.Generator,
) -> DriftSignal:  # fmt: skip
    tested = categories(then, now, kinds=len(names), permutations=permutations, rng=rng)
    detail = ", ".join(f"{name} {(then == i).mean():.1%} → {(now == i).mean():.1%}" for i, name in enumerate(names))
    signal = _signal("label shares", "label", "chi-squared, permutation", tested, share, policy, detail)
    return signal.model_copy(update={"effect_name": "total variation"})


def _embedding(
    reference: Side, current: Side, policy: Drift, share: float, permutations: int, rng: np.random.Generator
) -> DriftSignal:
    sides = [_sample(side.embeddings, policy.max_rows, rng) for side in (reference, current)]
    tested = mmd(sides[0], sides[1], permutations=permutations, rng=rng)
    detail = (
        f"a current row looks more like the new ones than a reference row does with probability {tested.effect:.2f}"
    )
    return DriftSignal(
        name="embeddings", family="embedding", method=f"MMD, {permutations} permutations", statistic=tested.statistic,
        p_value=tested.p_value, threshold=share, effect=tested.effect, effect_name="AUC", floor=policy.min_auc,
        detail=detail,
    )  # fmt: skip


def _predictions(
    reference: Side, current: Side, label_names: tuple[str, ...], policy: Drift, share: float
) -> list[DriftSignal]:
    """Black-box shift detection on softmax outputs (Rabanser et al., NeurIPS 2019), and confidence."""
    columns = {f"P({name})": i for i, name in enumerate(label_names)}
    if len(columns) == 2:
        columns.popitem()  # the other label's probability says the same
    pairs = {name: (reference.probabilities[:, i], current.probabilities[:, i]) for name, i in columns.items()}
    pairs["confidence"] = (reference.probabilities.max(1), current.probabilities.max(1))
    return [_ks_signal(name, "prediction", *pair, share / len(pairs), policy) for name, pair in pairs.items()]


def _texts(reference: Side, current: Side, policy: Drift, share: float) -> list[DriftSignal]:
    then, now = describe(reference.texts), describe(current.texts)
    return [_ks_signal(name, "text", then[name], now[name], share / len(then), policy) for name in then]


def _ks_signal(
    name: str, family: str, then: "NDArray[np.floating]", now: "NDArray[np.floating]", share: float, policy: Drift
) -> DriftSignal:
    detail = f"median {np.median(then):.3g} → {np.median(now):.3g}, mean {then.mean():.3g} → {now.mean():.3g}"
    return _signal(name, family, "Kolmogorov-Smirnov", ks(then, now), share, policy, detail)


def _signal(
    name: str, family: str, method: str, tested: Tested, threshold: float, policy: Drift, detail: str
) -> DriftSignal:
    return DriftSignal.model_validate({
        "name": name, "family": family, "method": method, "statistic": tested.statistic, "p_value": tested.p_value,
        "threshold": threshold, "effect": tested.effect, "effect_name": "largest gap", "floor": policy.min_ks,
        "detail": detail,
    })  # fmt: skip


def _sample(values: "NDArray[np.float32]", most: int, rng: np.random.Generator) -> "NDArray[np.float32]":
    return values if len(values) <= most else values[rng.choice(len(values), most, replace=False)]


def _side(table: Table, scores: Scores, labels: tuple[str, ...], store: ObjectStore) -> Side:
    import pyarrow.parquet as pq

    columns = pq.read_table(store.get_file(table), columns=["text", "label"]).to_pydict()
    with np.load(store.get_file(scores.arrays)) as arrays:
        probabilities, embeddings = arrays["probabilities"], arrays["embeddings"]
    index = {label: i for i, label in enumerate(labels)}
    numbers = np.array([UNKNOWN if label is None else index[label] for label in columns["label"]], np.int64)
    return Side(columns["text"], probabilities, embeddings, numbers)


def _evidently(
    reference: Side, current: Side, labels: tuple[str, ...], signals: tuple[DriftSignal, ...], *,
    seed: int, store: ObjectStore,
) -> tuple[Artifact, Artifact, float]:  # fmt: skip
    rng = np.random.default_rng(seed)
    labelled = _labelled(reference, current)
    frames = [
        shown(side.texts, side.probabilities, side.labels if labelled else None, names=labels, rng=rng)
        for side in (reference, current)
    ]
    with TemporaryDirectory() as folder:
        html, json_, share = write_evidently(frames[0], frames[1], signals, Path(folder))
        return (
            Artifact.model_validate(store.put_blob("evidently", html)),
            Artifact.model_validate(store.put_blob("evidently", json_)),
            share,
        )
