from pathlib import Path

from infra.object_store import ObjectStore
from tasks.registry.comparing import compare, describe_versions
from tests.releases import NOW, moved, released, stored_candidate


def test_two_versions_differ_in_what_the_spec_says_and_their_metrics_are_named_all_the_same(
    store: ObjectStore, tmp_path: Path
) -> None:
    candidate = stored_candidate(store, tmp_path / "model")
    first = released(candidate, store, "run-1", spec='{"training": {"epochs": 1, "replay": 1.5}}')
    second = released(candidate, store, "run-2", spec='{"training": {"epochs": 3, "replay": 1.5}}')
    found = {(d.part, d.name): (d.first, d.second) for d in compare(first, second)}
    assert found == {
        ("recipe", "spec.training.epochs"): ("1", "3"),
        ("files", "README.md"): found["files", "README.md"],  # the card names the run
        ("metrics", "accuracy on current rows"): ("0.9000 [0.8000, 0.9500], n = 100",) * 2,
    }


def test_versions_are_listed_newest_first_with_their_aliases(store: ObjectStore, tmp_path: Path) -> None:
    candidate = stored_candidate(store, tmp_path / "model")
    moved(released(candidate, store, "run-1"), None, store)
    released(candidate, store, "run-2")
    lines = describe_versions(now=NOW, store=store)
    assert [(line.version, line.aliases) for line in lines] == [(2, ()), (1, ("champion",))]
    assert lines[0].bytes > 1000
