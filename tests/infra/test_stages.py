import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from errors import CorruptObject
from infra import object_store
from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import Record
from tests.infra.transfers import Requests


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
    store.timings.append(("before", 100, False))
    began = time.perf_counter()
    outer(store=store)
    passed = time.perf_counter() - began
    (_, *timings) = store.timings
    assert [(stage, reused) for stage, _, reused in timings] == [("inner", False), ("inner", True), ("outer", False)]
    seconds = [seconds for _, seconds, _ in timings]
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


class Answer(Record):
    """The how-manieth work it was."""

    number: int


WORK: list[object] = []


@once("worked", besides=frozenset({"how"}))
def worked(
    first: object,
    second: int = 0,
    *,
    options: Mapping[str, int],
    where: Path,
    at: datetime,
    how: str,
    store: ObjectStore,
) -> Answer:
    WORK.append(first)
    return Answer(number=len(WORK))


def test_a_stage_is_done_once_for_the_same_inputs_whatever_order_they_come_in_and_however_it_is_done(
    store: ObjectStore,
) -> None:
    at = datetime(2026, 11, 24, tzinfo=UTC)
    first = worked(Answer(number=1), options={"a": 1, "b": 2}, where=Path("x"), at=at, how="fast", store=store)
    again = worked(Answer(number=1), how="slow", at=at, where=Path("x"), options={"b": 2, "a": 1}, store=store)
    assert first == again
    others = [
        worked(Answer(number=2), options={"a": 1, "b": 2}, where=Path("x"), at=at, how="fast", store=store),
        worked(Answer(number=1), 1, options={"a": 1, "b": 2}, where=Path("x"), at=at, how="fast", store=store),
        worked(Answer(number=1), options={"a": 1, "b": 3}, where=Path("x"), at=at, how="fast", store=store),
        worked(Answer(number=1), options={"a": 1, "b": 2}, where=Path("y"), at=at, how="fast", store=store),
        worked(Answer(number=1), options={"a": 1, "b": 2}, where=Path("y/x"), at=at, how="fast", store=store),
        worked(Answer(number=1), options={"a": 1, "b": 2}, where=Path("x"), at=at.replace(hour=1), how="fast", store=store),
    ]  # fmt: skip
    assert len({answer.number for answer in (first, *others)}) == 7


def test_an_input_that_has_no_value_of_its_own_is_refused_since_its_digest_could_be_another_next_time(
    store: ObjectStore,
) -> None:
    at = datetime(2026, 11, 24, tzinfo=UTC)
    with pytest.raises(TypeError, match="must be a record or a plain value, not object"):
        worked(object(), options={}, where=Path("x"), at=at, how="fast", store=store)
    for wrong in (None, "s3://bucket"):
        with pytest.raises(
            TypeError, match=f"needs its object store as the keyword `store`; got {type(wrong).__name__}"
        ):
            worked(1, options={}, where=Path("x"), at=at, how="fast", store=wrong)  # type: ignore[arg-type]


def test_a_finished_stage_s_record_that_cannot_be_read_is_told_with_its_address_and_not_made_anew(
    store: ObjectStore,
) -> None:
    inner(store=store)
    (key,) = store.list_keys("stages/")
    store.put_bytes(key, b"{")
    with pytest.raises(CorruptObject, match=re.escape(store.uri(key))):
        inner(store=store)
    assert store.get_bytes(key) == b"{"


def test_a_stage_s_record_that_is_used_again_is_young_again_or_gc_would_take_it(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner(store=store)
    monkeypatch.setattr(object_store, "USED_AGAIN", timedelta(-1))
    asked = Requests(store)
    inner(store=store)
    assert asked.count["PutObject"] == 1
