"""What a run is pinned to belongs to that run: another that ends, fails or moves the alias meanwhile does not take it."""

from typing import Literal

import pytest

from errors import DataError, SpecError
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


@pytest.mark.parametrize("kind", ["promote", "rollback"])
def test_no_promotion_or_rollback_comes_before_the_end_of_the_bootstrap(
    kind: Literal["promote", "rollback"], store: ObjectStore
) -> None:
    released = open_run.fn(SPEC, "bootstrap", None, force=False, store=store)
    with pytest.raises(SpecError, match="`upkeep bootstrap SPEC` finishes it"):
        open_run.fn(SPEC, kind, None, force=False, mover=released.run_id, store=store)
    assert open_run_of(store=store) == released


def test_a_rollback_goes_past_a_run_that_released_and_left_no_entry_as_earlier_versions_of_upkeep_did(
    store: ObjectStore,
) -> None:
    released = open_run.fn(SPEC, "maintain", None, force=False, store=store)
    back = open_run.fn(SPEC, "rollback", None, force=False, mover=released.run_id, store=store)
    assert open_run_of(store=store) == back != released
