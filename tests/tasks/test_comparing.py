from pathlib import Path

from infra.object_store import ObjectStore
from models.contracts import BrokenVersion, Estimate, Measurement, VersionLine
from tasks.registry.comparing import compare, describe_versions
from tests.questions import asked
from tests.releases import NOW, flip, moved, released, stored_candidate


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


def test_a_cost_of_a_part_of_a_cent_differs_from_nothing(store: ObjectStore, tmp_path: Path) -> None:
    first = released(stored_candidate(store, tmp_path / "model"), store)
    estimate = Estimate(value=3.456e-05, low=3e-05, high=4e-05, n=100, method="test")
    measured = (Measurement(on="current", metric="cost_per_1000", estimate=estimate),)
    found = compare(first, first.model_copy(update={"measured": measured}))
    assert [d.second for d in found] == ["–", "3.456e-05 [3e-05, 4e-05], n = 100"]


def test_a_version_does_not_differ_from_itself(store: ObjectStore, tmp_path: Path) -> None:
    first = released(stored_candidate(store, tmp_path / "model"), store, "run-1")
    assert compare(first, first) == ()


def test_each_field_of_recipe_and_data_and_what_only_one_of_two_has_is_named(
    store: ObjectStore, tmp_path: Path
) -> None:
    first = released(stored_candidate(store, tmp_path / "model"), store)
    lineage = first.lineage.model_copy(update={
        "recipe": "lora", "source": "there", "seed": 2, "git_commit": "e", "packages": {"torch": "3"},
        "window_digest": "v" * 64, "training_digest": "u" * 64,
    })  # fmt: skip
    reference = first.reference.model_copy(update={"table": first.reference.table.model_copy(update={"rows": 2})})
    fewer = tuple(file for file in first.files if file.path != "README.md")
    second = first.model_copy(update={"lineage": lineage, "reference": reference, "files": fewer, "measured": ()})
    there = {(d.part, d.name): (d.first, d.second) for d in compare(first, second)}
    assert there == {
        ("recipe", "recipe"): ("test", "lora"),
        ("recipe", "source"): ("here", "there"),
        ("recipe", "seed"): ("1", "2"),
        ("recipe", "git_commit"): ("c", "e"),
        ("recipe", "torch"): ("–", "3"),
        ("data", "window_digest"): ("w", "v" * 12),
        ("data", "training_digest"): ("t", "u" * 12),
        ("data", "reference rows"): ("1", "2"),
        ("files", "README.md"): (there["files", "README.md"][0], "–"),
        ("metrics", "accuracy on current rows"): ("0.9000 [0.8000, 0.9500], n = 100", "–"),
    }


def test_what_a_person_was_asked_about_a_version_stands_in_its_line(store: ObjectStore, tmp_path: Path) -> None:
    candidate = stored_candidate(store, tmp_path / "model")
    asked(released(candidate, store, "run-1"), store, now=NOW)
    released(candidate, store, "run-2")
    assert [line.approval[:11] for line in describe_versions(now=NOW, store=store)] == ["", "waits until"]


def test_versions_are_listed_newest_first_with_their_aliases(store: ObjectStore, tmp_path: Path) -> None:
    candidate = stored_candidate(store, tmp_path / "model")
    moved(released(candidate, store, "run-1"), None, store)
    released(candidate, store, "run-2")
    lines = describe_versions(now=NOW, store=store)
    assert [(line.version, line.aliases) for line in lines] == [(2, ()), (1, ("champion",))]
    assert lines[0].bytes > 1000


def test_a_version_whose_manifest_was_changed_is_told_in_its_line_and_hides_no_other(
    store: ObjectStore, tmp_path: Path
) -> None:
    candidate = stored_candidate(store, tmp_path / "model")
    for run, before in ("run-1", None), ("run-2", 1), ("run-3", 2):
        moved(released(candidate, store, run), before, store, run)
    flip(store, store.keys.manifest(2))
    flip(store, store.keys.manifest(3))
    third, second, first = describe_versions(now=NOW, store=store)
    assert isinstance(first, VersionLine) and (first.version, first.aliases) == (1, ())
    assert isinstance(second, BrokenVersion) and (second.version, second.aliases) == (2, ())
    assert isinstance(third, BrokenVersion) and (third.version, third.aliases) == (3, ("champion",))
    assert "versions/000003/manifest.json is not what was written there" in third.problem
