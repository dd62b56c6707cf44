from models.contracts import Budget, Cursor, HistoryEntry, RetrainDecision, Stopped, Window
from models.recipe import Training
from models.sections import Policy
from tasks.conclusion import stop_at_cap
from tasks.decision import decide
from tasks.events import events_of
from tasks.limits import what_forbids_training
from tasks.waiting import find_waiting, take_over
from tests.judged import BAD, NOW, bootstrapped, drift, entry, reported, retrained

TRAINING = Training()
STOPPED = Stopped(settings=TRAINING.digest, step=500, steps=1000, minutes=60.1, cap=60,
                  limit="policy.max_training_minutes", checkpoint="work/training-1/checkpoint-500")  # fmt: skip
RETRAIN = RetrainDecision(action="retrain", reasons=("drift", "accuracy fell"), degraded=True, drifted=True,
                          quality_alpha=0.01)  # fmt: skip


def stopped(days_ago: float = 1) -> HistoryEntry:
    return entry(days_ago, outcome="alerted", stopped=STOPPED, run_id="left", training_minutes=60.1)


def waits(*history: HistoryEntry, training: Training = TRAINING) -> bool:
    return find_waiting((*history, bootstrapped(30)), training=training, champion_version=1) is not None


def test_a_stopped_training_waits_until_another_run_has_trained_or_the_champion_or_the_spec_is_another() -> None:
    assert waits(stopped())
    assert waits(entry(0.5), stopped())
    assert not waits()
    assert not waits(retrained(0.5), stopped())
    assert not waits(entry(0.5, kind="promote", outcome="promoted", champion_version=2), stopped())
    assert not waits(stopped(), training=Training(epochs=1))


def test_while_it_waits_a_training_that_would_stop_there_too_does_not_begin() -> None:
    found = what_forbids_training([stopped()], policy=Policy(), now=NOW, waiting=stopped())
    assert found == [f"run left: {STOPPED.sentence}"]
    decision = decide.fn(
        BAD, drift(), [stopped(), bootstrapped(30)], policy=Policy(), window_digest="w", force=False, now=NOW,
        waiting=stopped(),
    )  # fmt: skip
    assert decision.action == "alert"
    assert found[0] in decision.reasons


def test_the_run_that_goes_on_takes_over_what_was_seen_and_tells_none_of_it_again() -> None:
    report = reported(stopped(), BAD, drift("words"), stop_at_cap(RETRAIN, STOPPED)).model_copy(
        update={"stopped": STOPPED}
    )
    later = Cursor(positions=())
    left = take_over(report, cursor=later, budget=Budget(cap=90, spent=60.1))
    assert left is not None
    assert left.seen.window.cursor is later
    assert left.decision.action == "retrain"
    assert left.decision.quality_alpha == 0
    assert left.decision.reasons[-1] == "goes on with the training that run left left at step 500 of 1,000"
    window: Window = left.seen.window
    assert [e.name for e in events_of(report, window)][-1] == "upkeep.training.stopped"
    assert len(events_of(report, window)) == 4
    assert events_of(report.model_copy(update={"went_on_from": STOPPED, "stopped": None}), window) == []


def test_of_a_job_whose_steps_nobody_knows_none_are_told() -> None:
    job = STOPPED.model_copy(update={"step": 0, "steps": 0, "checkpoint": "job j, which the API goes on with"})
    assert "(policy.max_training_minutes), after 60.1 minutes; once more" in job.sentence
    report = reported(stopped(), BAD, drift(), stop_at_cap(RETRAIN, job)).model_copy(update={"stopped": job})
    left = take_over(report, cursor=Cursor(), budget=Budget(cap=90, spent=60.1))
    assert left is not None
    assert left.decision.reasons[-1] == "goes on with the training that run left left"


def test_a_cap_of_a_day_is_told_in_minutes_and_not_as_a_power_of_ten() -> None:
    told = STOPPED.model_copy(update={"cap": 1440.0, "minutes": 1440.3391}).sentence
    assert "its cap of 1,440 minutes" in told
    assert "after 1,440 minutes" in told
    short = STOPPED.model_copy(update={"cap": 0.02, "minutes": 0.0213}).sentence
    assert "its cap of 0.02 minutes" in short
    assert "after 0.0213 minutes" in short
