import time

from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import Record


@once("inner")
def inner(*, store: ObjectStore) -> Record:
    time.sleep(0.2)
    return Record()


@once("outer")
def outer(*, store: ObjectStore) -> Record:
    inner(store=store)
    time.sleep(0.1)
    return inner(store=store)


def test_the_times_of_stages_add_up_to_the_time_that_passed_where_one_has_stages_of_its_own(store: ObjectStore) -> None:
    began = time.perf_counter()
    outer(store=store)
    passed = time.perf_counter() - began
    assert [(stage, reused) for stage, _, reused in store.timings] == [
        ("inner", False),
        ("inner", True),
        ("outer", False),
    ]
    seconds = [seconds for _, seconds, _ in store.timings]
    assert seconds[0] >= 0.2
    assert seconds[2] >= 0.1
    assert passed - 0.05 < sum(seconds) <= passed


@once("told", besides=frozenset({"of"}))
def told(*, of: str, store: ObjectStore) -> Record:
    return Record()


def test_a_stage_that_a_run_has_twice_is_told_apart_and_done_once(store: ObjectStore) -> None:
    told(of="the window", store=store)
    told(of="the reference", store=store)
    assert [(stage, reused) for stage, _, reused in store.timings] == [
        ("told of the window", False),
        ("told of the reference", True),
    ]
