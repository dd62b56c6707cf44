"""What a run is pinned to belongs to that run: another that ends, fails or moves the alias meanwhile does not take it."""

import pytest

from errors import DataError
from infra.object_store import ObjectStore
from models.spec import parse_spec
from tasks.runs import open_run, open_run_of, pinned
from tests.models.test_spec import LEAST

SPEC = parse_spec(LEAST, where="here")


def test_a_run_whose_data_is_refused_forgets_itself_and_no_other_that_opened_since(store: ObjectStore) -> None:
    first = open_run.fn(SPEC, "maintain", None, force=False, store=store)
    with pytest.raises(DataError), pinned(first, mover="", store=store):
        second = open_run.fn(SPEC, "promote", None, force=False, store=store)
        raise DataError("too many bad rows")
    assert open_run_of(store=store) == second
    with pytest.raises(DataError), pinned(second, mover="", store=store):
        raise DataError("too many bad rows")
    assert open_run_of(store=store) is None


@pytest.mark.parametrize("again", [False, True])
def test_a_run_that_had_released_is_still_finished_first_where_a_rollback_over_it_died_before_it_moved_the_alias(
    again: bool, store: ObjectStore
) -> None:
    released = open_run.fn(SPEC, "maintain", None, force=False, store=store)
    for _ in range(2 if again else 1):
        open_run.fn(SPEC, "rollback", None, force=False, mover=released.run_id, store=store)
    other = parse_spec({**LEAST, "seed": 7}, where="here")
    assert open_run.fn(other, "maintain", None, force=True, mover=released.run_id, store=store) == released
    assert open_run_of(store=store) == released
