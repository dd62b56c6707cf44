"""Sixteen processes promote sixteen versions at once, on every kind of server that is at hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.registry.aliases import read_log
from tasks.registry.audit import audit
from tests.registry.conftest import NewAddress, opened
from tests.registry.crowd import GENERATIONS, PROMOTERS
from tests.registry.nursery import ROOT
from tests.releases import moved, released, stored_candidate


@pytest.mark.slow
def test_of_16_promoters_one_wins_each_generation_and_no_entry_is_lost_or_doubled(
    any_address: NewAddress, tmp_path: Path
) -> None:
    address = any_address()
    store = opened(address)
    assert store.keeps_conditions
    candidate = stored_candidate(store, tmp_path / "model")
    versions = [released(candidate, store, f"run-{number}") for number in range(1, PROMOTERS + 1)]
    moved(versions[0], None, store)
    command = [sys.executable, "-m", "tests.registry.crowd", json.dumps(address)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    crowd = json.loads(done.stdout)
    log = read_log("champion", store=store)
    won = sorted((generation, token) for promoter in crowd for generation, token in promoter["won"])
    assert won == sorted((entry.generation, entry.token) for entry in log if entry.generation > 1)
    assert [entry.generation for entry in reversed(log)] == list(range(1, len(log) + 1))
    assert len(log) > GENERATIONS
    losers = [told for promoter in crowd for told in promoter["told"]]
    assert losers and all("It was not moved again" in told for told in losers)
    assert audit((), alias="champion", deep=True, store=store).misfits == ()
