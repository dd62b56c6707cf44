from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.replay import replay_lines
from models.contracts import Action, HistoryEntry, LabelCount, MonitoringReport, Outcome, RunReport, Stopped
from models.spec import ModelSpec, parse_spec
from tasks.budget import spend_levels
from tasks.conclusion import not_trained, stop_at_cap
from tasks.decided_again import at_level, decide_again
from tasks.decision import decide
from tasks.replay import Replay, replay_policy
from tasks.span import Span, span_of
from tasks.waiting import find_waiting
from tests.judged import BAD, FINE, NOW, UNLABELLED, bootstrapped, drift, entry, monitored, reported

EVER = Span(since=None, until=None)
Runs = tuple[list[HistoryEntry], dict[str, RunReport]]


def spec(**changes: object) -> ModelSpec:
    document = {"name": "test", "model": {"source": "m"}, "labels": ["a", "b"], "data": {"sources": ["x.csv"]},
                "columns": {"text": "t"}, **changes}  # fmt: skip
    return parse_spec(document, where="test")


def stopped_at_its_cap(by: ModelSpec) -> Stopped:
    return Stopped(settings=by.training.digest, step=10, steps=100, minutes=7, cap=7,
                   limit="policy.max_training_minutes", checkpoint="c")  # fmt: skip


def lived(*windows: tuple[MonitoringReport, str], by: ModelSpec, days: float = 1, stops: int = 0) -> Runs:
    """A history as `maintain` writes it: one run each `days`, each training takes ten minutes and releases, but for that
    of run `stops`, which reaches its cap after seven."""
    history, reports = [bootstrapped(0)], {}
    for number, (monitoring, moved) in enumerate(windows, start=2):
        at = NOW + timedelta(days=days * (number - 1))
        levels = spend_levels(history, drift=by.drift, policy=by.policy, now=at)
        found, digest = at_level(drift(*moved.split()), levels.drift, by.drift), f"rows-{number}"
        waiting = find_waiting(history, training=by.training, champion_version=1)
        decision = decide.fn(
            monitoring, found, history, policy=by.policy, window_digest=digest, force=False, now=at, waiting=waiting
        )
        rows = round(0.6 * monitoring.labelled)  # what a split by content may leave of 65 %
        if decision.action is Action.RETRAIN and rows < by.training.min_rows:
            decision = not_trained(decision, f"not trained: {rows} new labelled training rows")
        stopped = stopped_at_its_cap(by) if number == stops and decision.action is Action.RETRAIN else None
        decision = stop_at_cap(decision, stopped) if stopped else decision
        outcome = {Action.HOLD: Outcome.HELD, Action.ALERT: Outcome.ALERTED, Action.RETRAIN: Outcome.RELEASED}
        trains = decision.action is Action.RETRAIN
        run = entry(0, outcome=outcome[decision.action]).model_copy(update={
            "sequence": number, "run_id": f"run-{number}", "started_at": at, "finished_at": at,
            "window_digest": digest, "degraded": decision.degraded, "drifted": decision.drifted, "retrained": trains,
            "drift_alpha": levels.drift, "quality_alpha": decision.quality_alpha,
            "training_minutes": 10.0 if trains else stopped.minutes if stopped else 0.0, "stopped": stopped,
        })  # fmt: skip
        report = reported(run, monitoring, found, decision, new_rows=200 if trains else None)
        reports[run.run_id] = report.model_copy(update={"stopped": stopped})
        history.insert(0, run)
    return history, reports


def replayed(runs: Runs, by: ModelSpec, span: Span = EVER) -> Replay:
    return replay_policy(runs[0], runs[1], spec=by, span=span)


def actions(found: Replay) -> list[str]:
    return [run.now.decision.action.value for run in found.runs]


def differing(found: Replay) -> list[int]:
    return [run.sequence for run in found.runs if run.differs]


windows = st.lists(
    st.tuples(st.sampled_from([BAD, FINE, UNLABELLED, monitored(rows=20), monitored(drop=0.3, p=1e-30, labelled=80), monitored(drop=0.05, p=0.004)]),
              st.sampled_from(["", "words", "embeddings words"])), max_size=8)  # fmt: skip
policies = st.fixed_dictionaries({
    "act_on": st.sampled_from(["quality", "drift", "either"]), "k": st.integers(1, 2), "n": st.integers(2, 3),
    "cooldown": st.sampled_from(["0d", "2d"]), "max_retrains_a_month": st.sampled_from([None, 2]),
    "retrain_every": st.sampled_from([None, "3d"]), "training_minutes_a_month": st.sampled_from([None, 25.0]),
})  # fmt: skip


@given(windows, policies, st.sampled_from([0.0, 0.01, 1, 40]), st.integers(2, 5))
def test_by_the_same_spec_nothing_differs(
    seen: list[tuple[MonitoringReport, str]], policy: dict, days: float, stops: int
) -> None:
    by = spec(policy=policy)
    found = replayed(lived(*seen, by=by, days=days, stops=stops), by)
    assert differing(found) == []
    assert found.then.retrainings == found.now.retrainings
    assert found.then.minutes == pytest.approx(found.now.minutes)
    assert found.then.spent == pytest.approx(found.now.spent)
    assert [run.now.decision for run in found.runs] == [run.then.decision for run in found.runs]


def test_a_cooldown_would_have_saved_the_second_retraining_and_says_until_when() -> None:
    runs = lived((BAD, ""), (FINE, ""), (BAD, ""), (BAD, ""), by=spec())
    found = replayed(runs, spec(policy={"cooldown": "3d"}))
    assert actions(found) == ["retrain", "hold", "alert", "retrain"]
    assert differing(found) == [4]
    assert "policy.cooldown = 3d lasts until 2026-05-05 12:00 UTC" in found.runs[2].because
    assert (found.then.retrainings, found.now.retrainings) == (3, 2)
    assert (found.then.minutes, found.now.minutes) == (30.0, 20.0)


def test_a_decision_that_changed_changes_what_later_runs_know() -> None:
    """The cooldown counts from the simulated retraining and not from the one that happened."""
    runs = lived((BAD, ""), (BAD, ""), (BAD, ""), by=spec(policy={"cooldown": "2d"}))
    assert [run.then.decision.action for run in replayed(runs, spec()).runs] == ["retrain", "alert", "retrain"]
    found = replayed(runs, spec(policy={"cooldown": "2d", "k": 2, "n": 2}))
    assert actions(found) == ["alert", "retrain", "alert"]


def test_acting_on_drift_would_have_retrained_and_its_minutes_are_those_of_a_usual_training() -> None:
    runs = lived((FINE, "words"), (BAD, ""), by=spec())
    found = replayed(runs, spec(policy={"act_on": "either"}))
    assert actions(found) == ["retrain", "retrain"]
    assert (found.then.minutes, found.now.minutes) == (10.0, 20.0)
    assert [run.another_champion for run in found.runs] == [False, True]


def test_leaving_out_a_training_that_was_rejected_leaves_the_champion_as_it_was() -> None:
    history, reports = lived((BAD, ""), (FINE, ""), by=spec())
    history[1] = history[1].model_copy(update={"outcome": Outcome.REJECTED})
    found = replayed((history, reports), spec(policy={"min_drop": 0.5}))
    assert differing(found) == [2]
    assert not found.runs[1].another_champion


def test_levels_and_floors_are_the_new_specs_and_each_signal_keeps_its_share() -> None:
    found = at_level(drift("words", alpha=0.01), 0.002, spec(drift={"min_ks": 0.2}).drift)
    assert found.alpha == 0.002
    assert {s.threshold for s in found.signals} == {0.0005}
    assert {s.floor for s in found.signals} == {0.2}
    assert found.drifted
    assert not at_level(drift("words"), 0.002, spec(drift={"min_ks": 0.5}).drift).drifted
    assert not at_level(drift("words", p=1e-3), 0.002, spec().drift).drifted
    own = found.signals[0].model_copy(update={"effect_name": "something else", "floor": 0.7})
    kept = at_level(found.model_copy(update={"signals": (own,)}), 0.01, spec().drift)
    assert kept.signals[0].floor == 0.7


def test_each_effect_is_held_against_its_own_floor_of_the_new_spec() -> None:
    made = drift().signals[0]
    named = [made.model_copy(update={"effect_name": name}) for name in ("AUC", "largest gap", "total variation")]
    report = drift().model_copy(update={"signals": tuple(named)})
    found = at_level(report, 0.01, spec(drift={"min_auc": 0.7, "min_ks": 0.2}).drift)
    assert [s.floor for s in found.signals] == [0.7, 0.2, 0.2]


def test_a_report_that_was_made_at_level_zero_shares_alike() -> None:
    assert {s.threshold for s in at_level(drift(alpha=0.0), 0.01, spec().drift).signals} == {0.0025}


def test_a_larger_budget_finds_what_a_daily_run_could_not() -> None:
    runs = lived(*[(FINE, "")] * 29, (monitored(drop=0.05, p=0.004), ""), by=spec())
    assert set(actions(replayed(runs, spec()))) == {"hold"}
    found = replayed(runs, spec(policy={"false_alarms_a_year": 10}))
    assert actions(found) == ["hold"] * 29 + ["retrain"]
    assert found.now.spent == pytest.approx(30 * 0.02)


def test_too_few_rows_to_train_on_stay_too_few() -> None:
    by = spec(policy={"min_labels": 50})
    runs = lived((monitored(drop=0.3, p=1e-20, labelled=60), ""), (BAD, ""), by=by)
    found = replayed(runs, spec(training={"min_rows": 250}))
    assert actions(found) == ["alert", "alert"]
    assert "not trained: 200 new labelled training rows, at least 250 are needed" in found.runs[1].because
    never = replayed(lived((monitored(drop=0.3, p=1e-20, labelled=60), ""), by=spec(policy={"k": 2, "n": 2})), spec())
    assert (
        "not trained: about 39 new labelled training rows, at least 50 are needed" in never.runs[0].now.decision.reasons
    )


def test_runs_outside_the_days_are_taken_as_they_were_and_a_lost_report_is_named() -> None:
    history, reports = lived((BAD, ""), (BAD, ""), (BAD, ""), by=spec())
    del reports["run-3"]
    quiet = spec(policy={"min_drop": 0.5})
    found = replayed((history, reports), quiet)
    assert [run.sequence for run in found.runs] == [2, 4]
    assert [run.sequence for run in found.without_report] == [3]
    late = replayed((history, reports), quiet, span_of("2026-05-04", "2026-05-04"))
    assert [run.sequence for run in late.runs] == [4]
    assert late.without_report == ()
    cool = replayed((history, reports), spec(policy={"cooldown": "2d"}), span_of("2026-05-04", None))
    assert actions(cool) == ["alert"]
    assert "lasts until 2026-05-05" in "".join(cool.runs[0].because)


def test_a_run_that_was_forced_and_one_that_met_a_new_class_are_decided_as_they_were() -> None:
    history, reports = lived((FINE, ""), (FINE, ""), by=spec())
    forced, met = reports["run-2"], reports["run-3"]
    seen = met.observation
    assert seen is not None
    new = seen.validation.model_copy(update={"new_classes": (LabelCount(label="c", rows=30),)})
    reports["run-2"] = forced.model_copy(update={"start": forced.start.model_copy(update={"force": True})})
    reports["run-3"] = met.model_copy(update={"observation": seen.model_copy(update={"validation": new})})
    assert actions(replayed((history, reports), spec())) == ["retrain", "alert"]


def test_rows_that_a_run_has_retrained_on_call_for_no_second_training_when_decided_again() -> None:
    history, reports = lived((BAD, ""), by=spec())
    report = reports["run-2"]
    assert report.observation is not None
    found = decide_again(report, report.observation, history, spec(), minutes=10)
    assert not found.retrains
    assert "run run-2 (#2) has retrained on these very rows" in found.decision.reasons


def test_runs_that_decided_nothing_are_not_replayed() -> None:
    history, reports = lived((FINE, ""), (FINE, ""), (FINE, ""), by=spec())
    history[1] = history[1].model_copy(update={"outcome": Outcome.WAITING})
    history[0] = history[0].model_copy(update={"went_on": True})
    found = replayed((history, reports), spec())
    assert [run.sequence for run in found.runs] == [2]
    assert found.without_report == ()


def test_behind_a_release_that_was_left_out_every_run_is_of_another_champion() -> None:
    runs = lived((BAD, ""), (FINE, ""), (FINE, ""), (BAD, ""), (FINE, ""), by=spec())
    left_out = replayed(runs, spec(policy={"min_drop": 0.5}))
    assert [run.another_champion for run in left_out.runs] == [False, True, True, True, True]
    assert not any(run.another_champion for run in replayed(runs, spec()).runs)


def test_what_a_window_would_have_said_counts_among_the_windows_of_later_runs() -> None:
    """By the new spec the first is bad as well, so that two of two call for training."""
    slight = monitored(drop=0.05, p=1e-9)
    runs = lived((slight, ""), (slight, ""), by=spec(policy={"min_drop": 0.1}))
    assert actions(replayed(runs, spec(policy={"k": 2, "n": 2}))) == ["alert", "retrain"]


def test_a_training_that_stopped_at_its_cap_stops_again_and_later_ones_wait_for_it_as_they_did() -> None:
    runs = lived((BAD, ""), (BAD, ""), by=spec(), stops=2)
    found = replayed(runs, spec())
    assert (actions(found), differing(found)) == (["alert", "alert"], [])
    assert [run.now.minutes for run in found.runs] == [run.then.minutes for run in found.runs] == [7.0, 0.0]
    assert [run.now.decision.reasons[-1] for run in found.runs] == [
        stopped_at_its_cap(spec()).sentence, f"run run-2: {stopped_at_its_cap(spec()).sentence}",
    ]  # fmt: skip


def test_behind_a_release_runs_wait_for_the_training_that_stopped_under_the_new_champion() -> None:
    history, reports = lived((BAD, ""), (BAD, ""), (BAD, ""), by=spec(), stops=3)
    history[:-1] = [run.model_copy(update={"champion_version": 2}) for run in history[:-1]]
    found = replayed((history, reports), spec())
    assert (actions(found), differing(found)) == (["retrain", "alert", "alert"], [])


def test_nobody_waits_for_a_training_that_would_not_have_begun_or_by_other_settings() -> None:
    runs = lived((monitored(drop=0.05, p=1e-9), ""), (BAD, ""), by=spec(), stops=2)
    not_begun = replayed(runs, spec(policy={"min_drop": 0.1}))
    assert actions(not_begun) == ["hold", "retrain"]
    assert (not_begun.runs[0].now.minutes, not_begun.then.minutes) == (0.0, 7.0)
    assert actions(replayed(runs, spec(training={"epochs": 1}))) == ["alert", "retrain"]


def went_on_and_released(runs: Runs) -> Runs:
    """The history with a run more, that brought the training of the first run to its end in five more minutes."""
    history, reports = runs
    stopped = history[-2]
    run = stopped.model_copy(update={
        "sequence": 9, "run_id": "run-9", "outcome": Outcome.RELEASED, "retrained": True, "training_minutes": 5.0,
        "stopped": None, "went_on": True, "drift_alpha": 0.0, "quality_alpha": 0.0, "champion_version": 2,
    })  # fmt: skip
    return [run, *history], reports


def test_a_training_that_a_later_run_brought_to_its_end_counts_once_and_with_all_its_minutes() -> None:
    runs = went_on_and_released(lived((BAD, ""), by=spec(), stops=2))
    found = replayed(runs, spec())
    assert found.then == found.now
    assert (found.then.retrainings, found.then.minutes) == (1, 12.0)
    assert "#9" in replay_lines(found)[2]


def test_the_usual_minutes_are_those_of_whole_trainings() -> None:
    history, reports = went_on_and_released(lived((BAD, ""), by=spec(), stops=2))
    quiet, told = lived((FINE, ""), (FINE, "words"), by=spec())
    late = quiet[0].model_copy(update={"sequence": 10, "run_id": "run-10", "champion_version": 2})
    found = replayed(([late, *history], {**reports, "run-10": told["run-3"]}), spec(policy={"act_on": "either"}))
    assert [run.now.minutes for run in found.runs] == [7.0, 12.0]


def test_nobody_would_have_gone_on_with_a_training_that_would_not_have_begun() -> None:
    history, reports = went_on_and_released(lived((monitored(drop=0.05, p=1e-9), ""), by=spec(), stops=2))
    later = lived((FINE, ""), (BAD, ""), by=spec())
    late = later[0][0].model_copy(update={"sequence": 10, "run_id": "run-10", "window_digest": "others"})
    report = reported(late, BAD, drift(), later[1]["run-3"].decision)
    found = replayed(
        ([late, *history], {**reports, "run-10": report}), spec(policy={"min_drop": 0.1, "cooldown": "7d"})
    )
    assert (found.then.retrainings, found.then.minutes) == (2, 22.0)
    assert actions(found) == ["hold", "retrain"]  # no cooldown after what did not happen
    assert (found.now.retrainings, found.now.minutes) == (1, 10.0)
    assert [run.another_champion for run in found.runs] == [False, True]
    assert "its training would not have begun" in replay_lines(found)[2]


def test_each_training_keeps_its_own_minutes_and_one_that_did_not_happen_takes_the_mean_of_those_that_did() -> None:
    history, reports = lived((BAD, ""), (BAD, ""), (FINE, "words"), by=spec())
    minutes = {"run-2": 20.0, "run-3": 40.0}
    history = [run.model_copy(update={"training_minutes": minutes.get(run.run_id, 0.0)}) for run in history]
    found = replayed((history, reports), spec(policy={"act_on": "either"}))
    assert [run.now.minutes for run in found.runs] == [20.0, 40.0, 30.0]


def test_where_only_a_bootstrap_trained_its_minutes_are_the_usual_ones() -> None:
    history, reports = lived((FINE, "words"), by=spec())
    history[-1] = history[-1].model_copy(update={"training_minutes": 12.0})
    found = replayed((history, reports), spec(policy={"act_on": "either"}))
    assert [run.now.minutes for run in found.runs] == [12.0]


def test_a_retraining_that_was_rejected_begins_no_new_count_of_windows() -> None:
    """A release does: what an earlier champion did says nothing of the next."""
    history, reports = lived((BAD, ""), (BAD, ""), by=spec())
    two = spec(policy={"k": 2, "n": 2})
    forced = reports["run-2"]
    reports["run-2"] = forced.model_copy(update={"start": forced.start.model_copy(update={"force": True})})
    assert actions(replayed((history, reports), two)) == ["retrain", "alert"]
    history[1] = history[1].model_copy(update={"outcome": Outcome.REJECTED})
    assert actions(replayed((history, reports), two)) == ["retrain", "retrain"]


@pytest.mark.parametrize(("least", "now"), [(260, "retrain"), (261, "alert")])
def test_as_many_labelled_rows_as_are_needed_on_average_are_enough(least: int, now: str) -> None:
    runs = lived((BAD, ""), by=spec(policy={"k": 2, "n": 2}))
    assert actions(replayed(runs, spec(training={"min_rows": least}))) == [now]
