"""Did the inputs change? A verdict whose false-alarm rate is stated, what moved, and Evidently's report for the eye.

The p-values come from `tasks.metrics.two_sample`: Evidently's KS is the same scipy call (a test holds them together),
but its chi-squared takes the reference's shares as exactly known, which a few hundred reference rows are not, so that its
page is given ours. Its own verdict at its defaults is kept beside ours, with the reason where they differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import DataError
from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import Artifact, DriftReport, DriftSignal, ModelKind, Reference, Scored, TellingWord, UnlikeRow
from models.recipe import Training
from models.sections import Drift
from tasks.comparable import comparable_rows
from tasks.drift_baseline import load_baseline, prepare_baseline, reader
from tasks.evidently_report import shown, write_evidently
from tasks.metrics.unlike import most_unlike
from tasks.metrics.vocabulary import telling_words
from tasks.sides import SAMPLE_ROWS, Side, load_side, sample
from tasks.signals import CORRECTION, find_signals, present

WORDS, UNLIKE, TEXT_CHARS = 15, 10, 300


@task(name="detect drift", cache_policy=NO_CACHE)
@once("drift")
def detect_drift(
    current: Scored, baseline: Scored, reference: Reference, *,
    kind: ModelKind, alpha: float, policy: Drift, training: Training, store: ObjectStore,
) -> DriftReport:  # fmt: skip
    """`baseline`: the reference's rows that never trained. Both sides must come scored by the same model.

    `alpha`: this run's false-alarm rate over all signals. DataError where a side has no rows.
    """
    rng = np.random.default_rng(kind.seed)
    comparable = comparable_rows(current.rows, reference, training=training, store=store)
    _refuse_empty(baseline.rows.rows, len(comparable.rows))
    prepared = prepare_baseline(baseline, reference, kind=kind, training=training, read_by=reader(), store=store)
    before = load_baseline(prepared, kind=kind, store=store)
    chosen = comparable.rows[sample(len(comparable.rows), SAMPLE_ROWS, rng)]
    then, now = before.side, load_side(current, kind=kind, chosen=chosen, store=store)
    signals = find_signals(
        then, now, label_names=kind.labels, vocabulary=before.vocabulary, policy=policy, alpha=alpha, rng=rng
    )
    moved = _what_moved(then, now, rng) if any(signal.drifted for signal in signals) else _Moved((), ())
    return DriftReport(
        signals=signals, alpha=alpha, correction=CORRECTION, reference_rows=baseline.rows.rows,
        current_rows=current.rows.rows,
        compared_rows=max(len(then), len(now)), words=moved.words, unlike=moved.unlike,
        notes=_notes(max(baseline.rows.rows, len(comparable.rows)), kind, policy, alpha,
                     (comparable.note, _not_yet_watched(then, now))),
        **_evidently(then, now, kind.labels, signals, store=store),
    )  # fmt: skip


def _refuse_empty(reference: int, current: int) -> None:
    if not reference or not current:
        raise DataError(
            f"drift compares two samples, and there are {reference} baseline and {current} current rows; "
            "one side is empty. Look at the window's quarantine."
        )


def _notes(largest: int, kind: ModelKind, policy: Drift, alpha: float, left_out: Sequence[str]) -> tuple[str, ...]:
    """What a reader must know of how the numbers came about. `left_out`: sentences, or empty."""
    notes = {
        **{sentence: bool(sentence) for sentence in left_out},
        f"tested at alpha = {alpha:.2g} and not drift.alpha = {policy.alpha:g}: so soon after the last run, "
        "policy.false_alarms_a_year affords no more": alpha < policy.alpha,
        "embeddings are of hashed words, since no embedding model is named: they see which words come in, not what they mean":
            kind.hosted is not None and kind.hosted.embeddings is None,
        "signals, words, the rows most unlike and Evidently's report are of a seeded sample of at most "
        f"{SAMPLE_ROWS:,} rows a side": largest > SAMPLE_ROWS,
        f"embeddings were compared on a seeded sample of at most {policy.max_rows:,} rows a side": largest > policy.max_rows,
    }  # fmt: skip
    return tuple(note for note, holds in notes.items() if holds)


def _not_yet_watched(then: Side, now: Side) -> str:
    held, come = (
        {name for name, values in {**side.slices, **side.metadata}.items() if len(present(values))}
        for side in (then, now)
    )
    new = sorted(come - held)
    if not new:
        return ""
    return (f"not compared: {', '.join(new)}, since the rows that the champion was released on were kept without; the next "
            "release keeps them with it")  # fmt: skip


@dataclass(frozen=True)
class _Moved:
    words: tuple[TellingWord, ...]
    unlike: tuple[UnlikeRow, ...]


def _what_moved(then: Side, now: Side, rng: np.random.Generator) -> _Moved:
    told = telling_words(then.words, now.words, most=WORDS)
    found = most_unlike(then.embeddings, now.embeddings, most=UNLIKE, rng=rng)
    return _Moved(
        (*told.more, *told.fewer),
        tuple(
            UnlikeRow(row=int(now.rows[u.row]), text=now.texts[u.row][:TEXT_CHARS], distance=u.distance,
                      beyond=u.beyond)
            for u in found
        ),
    )  # fmt: skip


def _evidently(
    then: Side, now: Side, labels: tuple[str, ...], signals: tuple[DriftSignal, ...], *, store: ObjectStore
) -> dict[str, Any]:
    """The fields of a DriftReport that Evidently fills."""
    labelled = bool(len(then.known) and len(now.known))
    columns = [shown(side, names=labels, labelled=labelled) for side in (then, now)]
    with TemporaryDirectory() as folder:
        report = write_evidently(columns[0], columns[1], signals, Path(folder))
        files = {"evidently_html": report.html, "evidently_snapshot": report.snapshot}
        stored = {name: Artifact.model_validate(store.put_blob("evidently", path)) for name, path in files.items()}
    return {**stored, "evidently_share": report.share, "evidently_default": report.default}
