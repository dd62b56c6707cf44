"""What a run came to, in one record and one sentence: pure functions of its records."""

from collections.abc import Sequence
from datetime import datetime

from errors import ModelError
from models.contracts import (
    Action,
    ApprovalRequest,
    Asked,
    Attempt,
    LabelRequest,
    Measured,
    Measurement,
    Observation,
    Outcome,
    Release,
    RetrainDecision,
    RunReport,
    RunStart,
    Scorecard,
    StageTime,
    Stopped,
    TrainingSet,
    Verdict,
    Window,
)
from models.recipe import Training
from tasks import formats
from tasks.formats import amount, count, value, words

Timings = Sequence[tuple[str, float, bool]]
NOT_TRAINED = "not trained: "


def require_enough_rows(
    decision: RetrainDecision, training_set: TrainingSet, training: Training, *, may_ask: bool
) -> RetrainDecision:
    """A retraining that has too little to learn from becomes an alert, which asks for labels where it may."""
    empty = [n for n in ("validation", "test", "reference_test") if not getattr(training_set, n).rows]
    if training_set.new_rows >= training.min_rows and not empty:
        return decision
    short = f"{amount(training_set.new_rows, 'new labelled training row')}, at least {training.min_rows} are needed"
    reason = NOT_TRAINED + (f"no rows for {', '.join(empty)}" if empty else short)
    return not_trained(decision, reason, asks=may_ask and decision.drifted)


def not_trained(decision: RetrainDecision, reason: str, *, asks: bool = False) -> RetrainDecision:
    return decision.model_copy(update={
        "action": Action.ALERT, "reasons": (*decision.reasons, reason),
        "asks_for_labels": decision.asks_for_labels or asks,
    })  # fmt: skip


def stop_at_cap(decision: RetrainDecision, stopped: Stopped) -> RetrainDecision:
    """A training that was stopped at its cap asks for a person: to allow it more, or to train otherwise."""
    return decision.model_copy(update={
        "action": Action.ALERT, "reasons": (*decision.reasons, stopped.sentence),
    })  # fmt: skip


def require_useful(measured: Measured, *, force: bool) -> tuple[Measurement, ...]:
    """A first champion must be shown to know more than the simplest answer does."""
    first = measured.measurements[0]
    if measured.to_beat is not None and first.estimate.low <= measured.to_beat and not force:
        raise ModelError(
            f"the first model's {_told(first)} on {amount(first.estimate.n, 'sealed row')} is not shown to beat "
            f"{measured.simplest} ({value(first.metric, measured.to_beat)}); nothing was released. "
            "Give it more rows or epochs, or release it all the same with --force."
        )
    return measured.measurements


def measured_for_release(scorecard: Scorecard) -> tuple[Measurement, ...]:
    """What the candidate measured, to be kept with the version."""
    return tuple(Measurement(on=c.on, metric=c.metric, estimate=c.candidate) for c in scorecard.comparisons)


def conclude(
    start: RunStart, decision: RetrainDecision | None, *, window: Window, observation: Observation | None = None,
    attempt: Attempt | None = None, release: Release | None = None, label_request: LabelRequest | None = None,
    asked: Asked | None = None, timings: Timings, finished_at: datetime,
) -> RunReport:  # fmt: skip
    outcome = _outcome(decision, attempt, release)
    headline = _headline(outcome, start, decision, window, attempt, release)
    if asked:
        headline += f" {asked_in_words(asked.request)}"
    if label_request:
        headline += f" {amount(label_request.rows, 'row')} to label {'is' if label_request.rows == 1 else 'are'} in {label_request.local_csv}."
    return RunReport(
        start=start, outcome=outcome, headline=headline,
        observation=observation, decision=decision, attempt=attempt, release=release,
        stages=stage_times(timings), finished_at=finished_at, label_request=label_request, asked=asked,
    )  # fmt: skip


def asked_in_words(request: ApprovalRequest) -> str:
    told = f" Of its samples {request.lack}." if request.lack else ""
    return f"Version {request.version} waits for an answer until {formats.moment(request.expires_at)}.{told}"


def stage_times(timings: Timings) -> tuple[StageTime, ...]:
    return tuple(StageTime(stage=s, seconds=t, reused=reused) for s, t, reused in timings)


def _outcome(decision: RetrainDecision | None, attempt: Attempt | None, release: Release | None) -> Outcome:
    if decision is None:
        return Outcome.WAITING
    if decision.action is not Action.RETRAIN:
        return Outcome.HELD if decision.action is Action.HOLD else Outcome.ALERTED
    if attempt is None:
        return Outcome.WOULD_RETRAIN
    if attempt.blessing.verdict is Verdict.BLESSED:
        return Outcome.RELEASED if release else Outcome.PUBLISHED
    return Outcome.REJECTED if attempt.blessing.verdict is Verdict.REJECTED else Outcome.INSUFFICIENT


def _headline(
    outcome: Outcome, start: RunStart, decision: RetrainDecision | None, window: Window,
    attempt: Attempt | None, release: Release | None,
) -> str:  # fmt: skip
    champion = f"version {start.champion.version}" if start.champion else "no version"
    if decision is None:
        many = f"{count(window.rows)} new rows are too few, and stay unread" if window.rows else "no new rows"
        few = "one new row is too few, and stays unread" if window.rows == 1 else many
        return f"Nothing to look at yet: {'the next window is not full' if window.waiting else few}."
    because = "; ".join(decision.reasons)
    if outcome in {Outcome.HELD, Outcome.ALERTED}:
        return f"{champion.capitalize()} stays champion: {because}."
    if attempt is None:
        return f"Would retrain {champion}: {because}."
    if release:
        return f"Version {release.version} is champion, {champion} before: {_gain(attempt)}."
    if outcome is Outcome.PUBLISHED:
        return f"A challenger was published and waits{_doubts(attempt)}; {champion} stays champion: {_gain(attempt)}."
    stopped = [g for g in attempt.blessing.gates if g.verdict is attempt.blessing.verdict and g.mode == "enforce"]
    return f"{champion.capitalize()} stays champion: " + "; ".join(f"gate {g.gate}: {g.because}" for g in stopped) + "."


def _doubts(attempt: Attempt) -> str:
    warnings = attempt.blessing.warnings
    return f" (gate {', '.join(warnings)} warns)" if warnings else ""


def _gain(attempt: Attempt) -> str:
    found = attempt.scorecard.deciding("current")
    if found is None:
        return "quality was not measured"
    then, now = (value(found.metric, e.value) for e in (found.champion, found.candidate))
    return f"{words(found.metric)} on the new rows {then} → {now}"


def _told(measured: Measurement) -> str:
    return f"{words(measured.metric)} {formats.measured(measured.estimate, measured.metric)}"


def bootstrap_headline(release: Release, measured: Sequence[Measurement]) -> str:
    return f"Version {release.version} is the first champion: {_told(measured[0])} on sealed rows."
