"""That no spec makes rows judge a champion that learned from them."""

import json
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(
    ("shares", "named"),
    [({"test_share": 0.4}, r"test_share was raised to 0\.4 from 0\.25, by which version 1"),
     ({"validation_share": 0.2}, r"test_share \+ validation_share was raised to 0\.45 from 0\.35")],
)  # fmt: skip
def test_rows_that_a_champion_learned_from_are_not_sealed_later(
    champion: Release, shares: dict[str, Any], named: str
) -> None:
    with pytest.raises(SpecError, match=named):
        require_seal(champion, Training(**shares))


@pytest.mark.parametrize("shares", [{}, {"test_share": 0.2}, {"test_share": 0.2, "validation_share": 0.15}])
def test_shares_that_hold_out_no_more_than_before_are_taken(champion: Release, shares: dict[str, Any]) -> None:
    require_seal(champion, Training(**shares))


def test_what_was_adopted_has_learned_from_no_row_of_ours(champion: Release) -> None:
    lineage = champion.manifest.lineage.model_copy(update={"recipe": ADOPTED})
    adopted = champion.model_copy(update={"manifest": champion.manifest.model_copy(update={"lineage": lineage})})
    require_seal(adopted, Training(test_share=0.5))
