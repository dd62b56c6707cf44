import re
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from models.contracts import Budget, HistoryEntry
from models.sections import Policy
from tasks.limits import training_budget, what_forbids_training
from tests.judged import NOW, bootstrapped, entry, retrained


def forbidden(*history: HistoryEntry, **policy: object) -> str:
    return "; ".join(what_forbids_training(history, policy=Policy(**policy), now=NOW))


def named_in(sentence: str) -> datetime:
    return datetime.fromisoformat(f"{re.findall(r'[-0-9]{10} [0-9:]{5}', sentence)[-1]}+00:00")


def test_without_limits_nothing_is_forbidden() -> None:
    assert forbidden(retrained(0.1, minutes=900), retrained(0.2, minutes=900)) == ""


def test_only_the_last_thirty_days_count_and_only_retrainings() -> None:
    assert forbidden(entry(1), retrained(10), retrained(30), max_retrains_a_month=2) == ""
    assert "2 retrainings" in forbidden(entry(1), retrained(10), retrained(29), max_retrains_a_month=2)
    assert forbidden(retrained(29), max_retrains_a_month=1).startswith("1 retraining in the last 30 days")


def test_the_number_is_free_again_when_the_oldest_that_is_too_many_is_thirty_days_old() -> None:
    found = forbidden(retrained(2), retrained(10), retrained(20), max_retrains_a_month=2)
    assert "free again at 2026-05-21 12:00 UTC" in found  # 10 days ago + 30: then one is left


def test_minutes_are_free_again_once_enough_of_them_are_a_month_old() -> None:
    history = (retrained(2, minutes=20), retrained(10, minutes=50), retrained(20, minutes=30))
    assert "100.0 training minutes" in forbidden(*history, training_minutes_a_month=60)
    assert "free again at 2026-05-21 12:00 UTC" in forbidden(*history, training_minutes_a_month=60)
    assert "free again at 2026-05-11 12:00 UTC" in forbidden(*history, training_minutes_a_month=80)
    assert forbidden(*history, training_minutes_a_month=100.5) == ""
    assert "2026-05-11" in forbidden(*reversed(history), training_minutes_a_month=80)  # by their ends


def test_a_first_training_counts_with_its_minutes_and_not_as_a_retraining() -> None:
    first = bootstrapped(3).model_copy(update={"training_minutes": 90.0})
    assert "90.0 training minutes" in forbidden(first, training_minutes_a_month=60)
    assert forbidden(first, max_retrains_a_month=1, cooldown="7d") == ""


def test_at_the_minute_that_a_limit_names_nothing_is_forbidden_any_longer() -> None:
    ended = NOW - timedelta(days=1) + timedelta(seconds=40)
    history = (retrained(1, minutes=9).model_copy(update={"finished_at": ended}),)
    for limits in ({"cooldown": "3d"}, {"max_retrains_a_month": 1}, {"training_minutes_a_month": 9}):
        then = named_in(forbidden(*history, **limits))
        assert what_forbids_training(history, policy=Policy(**limits), now=then) == []
        assert what_forbids_training(history, policy=Policy(**limits), now=then - timedelta(minutes=1)) != []


def test_every_limit_that_is_reached_is_named() -> None:
    limits = {"cooldown": "3d", "max_retrains_a_month": 1, "training_minutes_a_month": 9}
    found = forbidden(retrained(1, minutes=9), **limits)
    assert [name for name in limits if f"policy.{name} = " in found] == [*limits]


def test_a_training_may_last_as_long_as_the_smaller_of_its_cap_and_what_is_left_of_the_month() -> None:
    history = (retrained(2, minutes=20), retrained(10, minutes=50), retrained(40, minutes=500))

    def budget(spent: float = 0.0, force: bool = False, **policy: float) -> Budget:
        return training_budget(history, policy=Policy(**policy), now=NOW, spent=spent, force=force)

    assert budget().cap is None
    assert budget(max_training_minutes=60).cap == 60
    month = budget(max_training_minutes=60, training_minutes_a_month=100)
    assert (month.cap, month.limit) == (30, "policy.training_minutes_a_month")
    assert budget(max_training_minutes=60, training_minutes_a_month=100, spent=20).cap == 50
    assert budget(max_training_minutes=60, training_minutes_a_month=100, force=True).cap == 60
    assert budget(training_minutes_a_month=60).cap == 0
    assert budget(max_training_minutes=60, spent=60).used_up


@given(st.lists(st.tuples(st.floats(0.01, 40), st.floats(0, 50)), max_size=8), st.integers(1, 3), st.floats(1, 90))
def test_at_the_moment_that_is_named_the_limit_no_longer_holds_and_just_before_it_does(
    trainings: list[tuple[float, float]], most: int, minutes: float
) -> None:
    history = sorted((retrained(d, minutes=m) for d, m in trainings), key=lambda e: e.finished_at, reverse=True)
    limits = (
        ({"max_retrains_a_month": most}, 30),
        ({"training_minutes_a_month": minutes}, 30),
        ({"cooldown": f"{most}d"}, most),
    )
    for limit, days in limits:
        policy = Policy(**limit)
        said = what_forbids_training(history, policy=policy, now=NOW)
        ends = [e.finished_at + timedelta(days=days) for e in history]
        free = next((end for end in sorted(ends) if not what_forbids_training(history, policy=policy, now=end)), None)
        if said:
            assert free is not None
            assert timedelta(0) <= named_in(said[0]) - free < timedelta(minutes=1)
            assert what_forbids_training(history, policy=policy, now=free - timedelta(microseconds=1))
