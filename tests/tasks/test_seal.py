"""That no spec makes rows judge a champion that learned from them."""

import json
from pathlib import Path

import pytest

from errors import SpecError
from infra.object_store import ObjectStore
from models.contracts import Release
from models.recipe import ADOPTED, Training
from tasks.seal import require_seal
from tests.releases import moved, released, stored_candidate


@pytest.fixture
def champion(store: ObjectStore, tmp_path: Path) -> Release:
    spec = json.dumps({"training": Training(test_share=0.25, validation_share=0.1).model_dump(mode="json")})
    return moved(released(stored_candidate(store, tmp_path / "m"), store, spec=spec), None, store)


def refused(champion: Release, **shares: float) -> str:
    """Why, or nothing."""
    try:
        require_seal(champion, Training.model_validate(shares))
    except SpecError as problem:
        return str(problem)
    return ""


@pytest.mark.parametrize(
    ("shares", "named"),
    [({"test_share": 0.4}, "test_share was raised to 0.4 from 0.25, by which version 1"),
     ({"validation_share": 0.2}, "test_share + validation_share was raised to 0.45 from 0.35")],
)  # fmt: skip
def test_rows_that_a_champion_learned_from_are_not_sealed_later(
    champion: Release, shares: dict[str, float], named: str
) -> None:
    assert named in refused(champion, **shares)


@pytest.mark.parametrize("shares", [{}, {"test_share": 0.2}, {"test_share": 0.2, "validation_share": 0.15}])
def test_shares_that_hold_out_no_more_than_before_are_taken(champion: Release, shares: dict[str, float]) -> None:
    assert refused(champion, **shares) == ""


def with_lineage(champion: Release, **changes: str) -> Release:
    lineage = champion.manifest.lineage.model_copy(update=changes)
    return champion.model_copy(update={"manifest": champion.manifest.model_copy(update={"lineage": lineage})})


def test_shares_whose_sum_is_larger_by_rounding_alone_are_taken(champion: Release) -> None:
    made, now = {"test_share": 0.15, "validation_share": 0.15}, {"test_share": 0.1, "validation_share": 0.2}
    assert sum(now.values()) > sum(made.values())
    assert refused(with_lineage(champion, spec=json.dumps({"training": made})), **now) == ""


def test_what_was_adopted_has_learned_from_no_row_of_ours(champion: Release) -> None:
    adopted = with_lineage(champion, recipe=ADOPTED)
    assert [bool(refused(one, test_share=0.5)) for one in (champion, adopted)] == [True, False]
