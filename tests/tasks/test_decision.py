from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contracts import Action, DriftReport, HistoryEntry, LabelCount, MonitoringReport, Outcome, RetrainDecision
from models.sections import Policy
from tasks.decision import decide, may_ask
from tests.judged import BAD, BOOTSTRAP, FINE, NOW, UNLABELLED, bootstrapped, drift, entry, monitored, retrained

WEIGHT = {Action.HOLD: 0, Action.ALERT: 1, Action.RETRAIN: 2}


def decided(
    monitoring: MonitoringReport, found: DriftReport, *history: HistoryEntry, force: bool = False, **policy: object
) -> RetrainDecision:
    return decide.fn(
        monitoring, found, (*history, BOOTSTRAP),
        policy=Policy(**policy), window_digest="these rows", force=force, now=NOW,
    )  # fmt: skip


def said(decision: RetrainDecision) -> str:
    return "; ".join(decision.reasons)


def test_a_proven_drop_calls_for_training_and_the_reason_has_the_numbers() -> None:
    found = decided(BAD, drift())
    assert found.action is Action.RETRAIN
    assert "accuracy fell: 97.0% at release, 69.7% now (p = 3e-12, 400 labels)" in said(found)


def test_a_proven_drop_that_is_smaller_than_the_policy_asks_for_is_not_told_as_none() -> None:
    found = decided(monitored(drop=0.015, p=3e-5), drift())
    assert found.action is Action.HOLD
    assert "accuracy fell by less than policy.min_drop = 0.02: 97.0% at release, 95.5% now (p = 3e-05" in said(found)


def test_no_more_is_said_of_a_tiny_p_value_than_that_it_is() -> None:
    assert "(p = 1e-16 or less, 400 labels)" in said(decided(monitored(drop=0.27, p=1e-178), drift()))


def test_a_quiet_window_is_held() -> None:
    found = decided(FINE, drift())
    assert found.action is Action.HOLD
    assert "no drift in 4 signals at alpha 0.01" in said(found)


def test_a_significant_drop_that_is_too_small_is_held_and_so_is_a_large_one_that_is_not_significant() -> None:
    assert decided(monitored(drop=0.01, p=1e-6), drift()).action is Action.HOLD
    assert decided(monitored(drop=0.1, p=0.02), drift()).action is Action.HOLD


def test_as_many_rows_and_labels_and_as_large_a_drop_as_the_policy_names_are_enough() -> None:
    least = monitored(drop=0.3, p=1e-12, labelled=50, rows=50)
    policy = {"min_rows": 50, "min_labels": 50, "min_drop": least.quality[0].drop}
    assert decided(least, drift(), **policy).action is Action.RETRAIN
    came = least.model_copy(update={"asked_for": 50})
    assert decided(came, drift(), **{**policy, "min_rows": 51}).action is Action.RETRAIN


def test_what_a_window_seems_to_say_that_is_too_small_counts_in_no_later_one() -> None:
    found = decided(monitored(drop=0.3, p=1e-12, labelled=60, rows=60), drift("words"), min_rows=61)
    assert (found.action, found.degraded, found.drifted) == (Action.HOLD, False, False)


def test_few_labels_prove_nothing_however_large_the_drop() -> None:
    few = decided(monitored(drop=0.5, p=1e-12, labelled=49), drift())
    assert (few.action, few.degraded, few.quality_alpha) == (Action.HOLD, False, 0.0)
    assert "49 labelled rows are no evidence of quality (at least 50)" in said(few)
    assert "1 labelled row is no evidence" in said(decided(monitored(labelled=1), drift()))
    assert decided(monitored(drop=0.5, p=1e-12, labelled=50), drift()).action is Action.RETRAIN


def test_drift_without_labels_asks_for_labels_with_the_strongest_signals() -> None:
    found = decided(UNLABELLED, drift("embeddings", "words", "characters", "confidence"))
    assert found.action is Action.ALERT
    assert "label some of these rows" in said(found)
    assert "embeddings (p = 1e-09, largest gap 0.30)" in said(found)
    assert "and 1 more" in said(found)


def test_drift_that_does_no_harm_is_an_alert() -> None:
    found = decided(FINE, drift("words"))
    assert found.action is Action.ALERT
    assert found.drifted
    assert not found.degraded


def test_the_policy_says_what_is_acted_on() -> None:
    assert decided(FINE, drift("words"), act_on="drift").action is Action.RETRAIN
    assert decided(FINE, drift("words"), act_on="either").action is Action.RETRAIN
    assert decided(BAD, drift(), act_on="either").action is Action.RETRAIN
    assert decided(BAD, drift(), act_on="drift").action is Action.ALERT


def test_k_of_n_counts_this_window_and_skips_those_that_waited() -> None:
    policy = {"k": 2, "n": 3}
    assert decided(BAD, drift(), **policy).action is Action.ALERT
    waited, bad = entry(1, outcome=Outcome.WAITING), entry(2, degraded=True)
    assert decided(BAD, drift(), waited, entry(1.5), bad, **policy).action is Action.RETRAIN
    assert decided(BAD, drift(), entry(1), entry(1.5), bad, **policy).action is Action.ALERT
    went_on = entry(1, went_on=True, degraded=True)  # by the evidence of a window that counts already
    assert decided(BAD, drift(), went_on, entry(1.5), entry(2), **policy).action is Action.ALERT


@pytest.mark.parametrize(
    "change",
    [entry(1, outcome=Outcome.RELEASED, degraded=True, retrained=True),
     entry(1, kind="rollback", outcome=Outcome.ROLLED_BACK), entry(1, kind="promote", outcome=Outcome.PROMOTED)],
)  # fmt: skip
def test_windows_of_an_earlier_champion_do_not_count(change: HistoryEntry) -> None:
    assert decided(BAD, drift(), change, entry(2, degraded=True), k=2, n=3).action is Action.ALERT


def test_a_cooldown_turns_retraining_into_an_alert_that_says_when_it_ends() -> None:
    last = entry(2, outcome=Outcome.RELEASED, retrained=True)
    found = decided(BAD, drift(), last, cooldown="7d")
    assert found.action is Action.ALERT
    assert "lasts until 2026-05-06 12:00 UTC" in said(found)
    assert decided(BAD, drift(), last, cooldown="1d").action is Action.RETRAIN


def test_a_look_whose_rows_are_read_again_is_none_of_the_last_windows() -> None:
    again, before = entry(1, unread=True), entry(2, degraded=True)
    assert decided(BAD, drift(), again, before, k=2, n=2).action is Action.RETRAIN
    assert decided(BAD, drift(), entry(1), before, k=2, n=2).action is Action.ALERT


def test_a_scheduled_retraining_needs_no_evidence_but_does_need_rows() -> None:
    assert decided(FINE, drift(), retrain_every="2w").action is Action.RETRAIN
    assert decided(FINE, drift(), retrain_every="8w").action is Action.HOLD
    few = decided(monitored(rows=20, labelled=20), drift("words"), retrain_every="2w")
    assert few.action is Action.HOLD
    assert "20 rows are fewer than policy.min_rows = 50" in said(few)
    assert "1 row is fewer than policy.min_rows = 50" in said(decided(monitored(rows=1, labelled=1), drift()))


def test_a_scheduled_retraining_counts_from_the_last_one_and_waits_for_no_second_window() -> None:
    assert decided(FINE, drift(), retrained(13), retrain_every="2w").action is Action.HOLD
    found = decided(FINE, drift(), retrained(14), retrain_every="2w", k=2, n=3)
    assert found.action is Action.RETRAIN
    assert "policy.retrain_every = 2w is due" in said(found)


def test_a_daily_run_tests_at_its_share_of_the_year_and_says_so() -> None:
    days = [*(entry(day) for day in range(1, 30)), bootstrapped(30)]
    found = decided(monitored(drop=0.05, p=0.005), drift(), *days)
    assert found.action is Action.HOLD
    assert found.quality_alpha == pytest.approx(0.45 / 365)
    assert "at level 0.0012: 1 d after the last run, policy.false_alarms_a_year = 1 affords no more" in said(found)
    lavish = decided(monitored(drop=0.05, p=0.005), drift(), *days, false_alarms_a_year=20)
    assert lavish.action is Action.RETRAIN
    assert lavish.quality_alpha == 0.01
    assert "at level" not in said(lavish)


def test_when_nothing_is_left_to_spend_nothing_can_alarm_and_the_reasons_say_so() -> None:
    at_once = [*[entry(0)] * 40, bootstrapped(0)]
    found = decided(monitored(drop=0.9, p=0.0), drift("words", p=0.0, alpha=0.0), *at_once)
    assert found.action is Action.HOLD
    assert not found.degraded
    assert not found.drifted
    assert found.quality_alpha == 0
    assert "drift was not judged" in said(found)
    assert "accuracy was not judged" in said(found)


def test_without_a_test_no_false_alarm_is_spent() -> None:
    assert decided(UNLABELLED, drift()).quality_alpha == 0
    assert decided(monitored(rows=20), drift()).quality_alpha == 0
    assert decided(FINE, drift()).quality_alpha == 0.01


def test_labels_are_asked_for_where_drift_meets_too_few_of_them() -> None:
    few = monitored(labelled=20)
    assert decided(few, drift("words")).asks_for_labels
    assert decided(few, drift("words"), act_on="either", k=2, n=2).asks_for_labels
    assert not decided(few, drift("words"), act_on="drift").asks_for_labels
    assert not decided(few, drift()).asks_for_labels
    assert not decided(FINE, drift("words")).asks_for_labels
    assert not decided(monitored(labelled=20, rows=30), drift("words")).asks_for_labels
    seen_before = decided(few, drift("words"), retrained(9, window_digest="these rows"))
    assert (seen_before.action, seen_before.asks_for_labels) == (Action.HOLD, False)


def test_rows_that_were_retrained_on_are_held_and_the_run_is_named() -> None:
    before = retrained(9, run_id="run-7", sequence=7, window_digest="these rows")
    found = decided(BAD, drift(), before)
    assert found.action is Action.HOLD
    assert "run run-7 (#7) has retrained on these very rows" in said(found)
    assert decided(BAD, drift(), entry(9, window_digest="these rows")).action is Action.RETRAIN
    assert decided(BAD, drift(), retrained(9, window_digest="other rows")).action is Action.RETRAIN


def test_used_up_retrainings_and_minutes_are_an_alert_with_both_reasons() -> None:
    history = [retrained(5, minutes=40), retrained(20, minutes=30)]
    found = decided(BAD, drift(), *history, max_retrains_a_month=2, training_minutes_a_month=60)
    assert found.action is Action.ALERT
    assert "2 retrainings in the last 30 days, policy.max_retrains_a_month = 2: free again at 2026-05-11" in said(found)
    assert "70.0 training minutes in the last 30 days, policy.training_minutes_a_month = 60" in said(found)
    assert decided(BAD, drift(), *history, max_retrains_a_month=3).action is Action.RETRAIN


monitorings = st.builds(  # a p-value that proves something is seldom drawn from 0 to 1
    monitored, drop=st.floats(-0.02, 0.9), p=st.floats(0, 1) | st.just(1e-12), labelled=st.integers(0, 500),
    rows=st.integers(1, 500),
)  # fmt: skip
drifts = st.lists(st.sampled_from(["embeddings", "words"]), unique=True).map(lambda names: drift(*names))
histories = st.lists(
    st.builds(entry, st.floats(0, 29), outcome=st.sampled_from(Outcome), degraded=st.booleans(),
              drifted=st.booleans(), retrained=st.booleans(), training_minutes=st.floats(0, 60),
              window_digest=st.sampled_from(["these rows", "other rows"])), max_size=5,
).map(lambda entries: sorted(entries, key=lambda e: e.finished_at, reverse=True))  # fmt: skip
policies = st.fixed_dictionaries({
    "act_on": st.sampled_from(["quality", "drift", "either"]), "k": st.integers(1, 2), "n": st.integers(2, 4),
    "cooldown": st.sampled_from(["0d", "3d", "7d"]), "retrain_every": st.sampled_from([None, "7d", "4w"]),
    "max_retrains_a_month": st.sampled_from([None, 1, 3]), "training_minutes_a_month": st.sampled_from([None, 60.0]),
})  # fmt: skip


@given(monitorings, drifts, histories, policies)
def test_force_always_retrains(m: MonitoringReport, d: DriftReport, h: list[HistoryEntry], p: dict) -> None:
    found = decided(m, d, *h, force=True, **p)
    assert found.action is Action.RETRAIN
    assert "forced" in said(found)


@given(monitorings, drifts, histories, policies)
def test_nothing_retrains_within_the_cooldown(
    m: MonitoringReport, d: DriftReport, h: list[HistoryEntry], p: dict
) -> None:
    last = entry(0.5, outcome=Outcome.REJECTED, retrained=True)
    assert decided(m, d, last, *h, **{**p, "cooldown": "3d"}).action is not Action.RETRAIN


@given(monitorings, drifts, histories, policies)
def test_retraining_has_a_reason_and_no_evidence_is_held(
    m: MonitoringReport, d: DriftReport, h: list[HistoryEntry], p: dict
) -> None:
    found = decided(m, d, *h, **{**p, "retrain_every": None})
    if found.action is Action.RETRAIN:
        assert {"quality": found.degraded, "drift": found.drifted, "either": True}[p["act_on"]]
    if not (found.degraded or found.drifted):
        assert found.action is Action.HOLD
    if m.rows < 50:
        assert found.action is Action.HOLD
    if m.labelled < 50:
        assert not found.degraded
    assert len(found.reasons) >= 2


@given(monitorings, drifts, histories, policies)
def test_the_decision_depends_on_no_clock_and_is_the_same_each_time(
    m: MonitoringReport, d: DriftReport, h: list[HistoryEntry], p: dict
) -> None:
    def at(years: int) -> RetrainDecision:
        moved = [_later(e, timedelta(days=365 * years)) for e in (*h, BOOTSTRAP)]
        now = NOW + timedelta(days=365 * years)
        return decide.fn(m, d, moved, policy=Policy(**p), window_digest="these rows", force=False, now=now)

    assert at(0) == at(0)
    assert at(0).model_copy(update={"reasons": ()}) == at(-40).model_copy(update={"reasons": ()})


def _later(e: HistoryEntry, by: timedelta) -> HistoryEntry:
    return e.model_copy(update={"started_at": e.started_at + by, "finished_at": e.finished_at + by})


@given(drifts, histories, policies, st.integers(0, 500), st.booleans())
def test_more_evidence_never_calls_for_less(
    d: DriftReport, h: list[HistoryEntry], p: dict, labelled: int, drops: bool
) -> None:
    """Drift is added to whatever was seen, and a proven drop to whatever drifted."""
    seen = monitored(drop=0.3 if drops else 0.0, p=1e-30 if drops else 0.5, labelled=labelled)
    less, more = (WEIGHT[decided(seen, found, *h, **p).action] for found in (drift(), d))
    assert more >= less
    fine, worse = (monitored(drop=drop, p=q, labelled=labelled) for drop, q in ((0.0, 0.5), (0.3, 1e-30)))
    assert WEIGHT[decided(worse, d, *h, **p).action] >= WEIGHT[decided(fine, d, *h, **p).action]


@given(st.lists(st.tuples(st.floats(0.01, 20), st.floats(0, 3), st.floats(0, 90)), max_size=25), st.integers(1, 3),
       st.floats(10, 100))  # fmt: skip
def test_no_thirty_days_hold_more_retrainings_than_allowed_nor_one_that_began_with_the_minutes_used_up(
    windows: Sequence[tuple[float, float, float]], most: int, minutes: float
) -> None:
    """Every window is bad; a training ends some time after its run began, and takes its minutes."""
    policy = Policy(max_retrains_a_month=most, training_minutes_a_month=minutes, false_alarms_a_year=1000)
    history, now = [bootstrapped(0)], NOW
    for gap, days, cost in windows:
        now = max(now, history[0].finished_at) + timedelta(days=gap)
        found = decide.fn(BAD, drift(), history, policy=policy, window_digest=str(now), force=False, now=now)
        trains = found.action is Action.RETRAIN
        if trains:
            month = [e for e in history if e.finished_at > now - timedelta(days=30)]
            assert sum(e.training_minutes for e in month) < minutes
        end = now + timedelta(days=days)
        history.insert(0, entry(0).model_copy(update={
            "started_at": now, "finished_at": end, "retrained": trains, "training_minutes": cost if trains else 0.0,
        }))  # fmt: skip
    for moments in ([e.started_at for e in history if e.retrained], [e.finished_at for e in history if e.retrained]):
        for newest in moments:
            assert sum(newest - timedelta(days=30) < m <= newest for m in moments) <= most


def test_labels_that_were_asked_for_are_tested_at_full_level_however_soon_they_come() -> None:
    at_once = [*[entry(0)] * 40, bootstrapped(0)]
    came = monitored(drop=0.05, p=0.005).model_copy(update={"asked_for": 400})
    found = decided(came, drift(), *at_once)
    assert found.action is Action.RETRAIN
    assert found.quality_alpha == 0.01


def test_labels_that_were_asked_for_decide_whatever_the_size_of_their_window() -> None:
    came = monitored(drop=0.1, p=1e-9, labelled=100, rows=110)
    assert decided(came, drift(), min_rows=200).action is Action.HOLD
    found = decided(came.model_copy(update={"asked_for": 100}), drift(), min_rows=200)
    assert (found.action, found.degraded, found.quality_alpha) == (Action.RETRAIN, True, 0.01)
    assert "policy.min_rows" not in said(found)


def test_people_are_asked_once_a_week_and_not_every_day_of_a_drift() -> None:
    asked = entry(2, asked_for_labels=True)
    again = decided(UNLABELLED, drift("words"), asked)
    assert again.action is Action.ALERT
    assert not again.asks_for_labels
    assert "has asked for labels already; policy.ask_every = 7d lasts until" in said(again)
    assert decided(UNLABELLED, drift("words"), asked, ask_every="1d").asks_for_labels
    assert decided(UNLABELLED, drift("words"), entry(1, outcome=Outcome.RELEASED), asked).asks_for_labels


def test_whoever_acts_on_drift_alone_asks_nobody_and_others_not_before_their_time() -> None:
    asked = entry(2, asked_for_labels=True)
    assert may_ask([BOOTSTRAP], policy=Policy(), now=NOW)
    assert not may_ask([asked, BOOTSTRAP], policy=Policy(), now=NOW)
    assert may_ask([asked, BOOTSTRAP], policy=Policy(ask_every="2d"), now=NOW)
    assert not may_ask([BOOTSTRAP], policy=Policy(act_on="drift"), now=NOW)


def test_nobody_is_told_to_label_rows_that_have_labels_already() -> None:
    found = decided(monitored(labelled=60, rows=60), drift("words"), min_labels=100)
    assert (found.action, found.asks_for_labels) == (Action.ALERT, False)
    assert "label some of these rows" not in said(found)
    assert "60 labelled rows are no evidence of quality (at least 100)" in said(found)
    assert decided(monitored(labelled=60, rows=61), drift("words"), min_labels=100).asks_for_labels


def test_a_class_that_the_spec_does_not_list_asks_for_a_person_and_trains_nothing_by_itself_nor_keeps_from_training() -> (
    None
):
    def with_new(seen: MonitoringReport) -> RetrainDecision:
        return decide.fn(seen, drift(), [BOOTSTRAP], policy=Policy(), window_digest="w", force=False, now=NOW,
                         new_classes=(LabelCount(label="neutral", rows=27),))  # fmt: skip

    found = with_new(FINE)
    assert found.action is Action.ALERT
    assert "'neutral' (27 rows)" in found.reasons[-1]
    assert "end of `labels`" in found.reasons[-1]
    assert with_new(BAD).action is Action.RETRAIN
