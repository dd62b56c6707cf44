import os
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from errors import CorruptObject, ModelError, NoChampion, SpecError, StoreError
from infra.files import sha256_of_bytes
from infra.object_store import ObjectStore
from infra.sealed import sealed, unsealed
from models.contracts import EVIDENCE, Candidate, Manifest
from tasks.registry.aliases import newest_entry, read_alias, read_log, require_alias, walk_log, whoami
from tasks.registry.checks import verify_version
from tasks.registry.generations import move_alias
from tasks.registry.pulling import pull
from tasks.registry.versions import list_versions, read_version
from tests.releases import KIND, moved, released, stored_candidate


@pytest.fixture
def candidate(store: ObjectStore, tmp_path: Path) -> Candidate:
    return stored_candidate(store, tmp_path / "model")


def test_a_pulled_release_is_a_folder_that_from_pretrained_reads(
    candidate: Candidate, store: ObjectStore, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification

    pull(released(candidate, store), tmp_path / "pulled", store=store)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "pulled")
    assert model.config.num_labels == 2
    assert "accuracy | current | 0.9000" in (tmp_path / "pulled" / "README.md").read_text()


def test_a_version_is_published_once_however_often_its_run_asks(candidate: Candidate, store: ObjectStore) -> None:
    assert released(candidate, store) == released(candidate, store)
    assert list_versions(store=store) == [1]
    assert released(candidate, store, "run-2").version == 2


def test_a_flipped_byte_is_found_before_anything_is_loaded(
    candidate: Candidate, store: ObjectStore, tmp_path: Path
) -> None:
    manifest = released(candidate, store)
    key = store.keys.version(1) + "model.safetensors"
    data = bytearray(store.get_bytes(key))
    data[-1] ^= 1
    store.put_bytes(key, bytes(data))
    with pytest.raises(CorruptObject, match="SHA-256"):
        pull(manifest, tmp_path / "pulled", store=store)
    assert not (tmp_path / "pulled").exists()


def test_a_changed_manifest_is_not_the_champion(candidate: Candidate, store: ObjectStore) -> None:
    moved(released(candidate, store), None, store)
    store.put_bytes(store.keys.manifest(1), store.get_bytes(store.keys.manifest(1)).replace(b'"n": 100', b'"n": 900'))
    with pytest.raises(CorruptObject, match="manifest of version 1"):
        read_alias("champion", store=store)


def test_the_manifest_of_another_version_is_not_taken_for_the_one_that_was_asked_for(
    candidate: Candidate, store: ObjectStore
) -> None:
    """Or `promote --version 2` would move the champion to version 1."""
    for run_id in ("run-1", "run-2"):
        released(candidate, store, run_id)
    store.put_bytes(store.keys.manifest(2), store.get_bytes(store.keys.manifest(1)))
    with pytest.raises(CorruptObject, match=r"000002/manifest\.json is of 'test' version 1.*copied there"):
        read_version(2, store=store)


def test_a_spec_whose_alias_was_renamed_is_told_which_one_there_is(candidate: Candidate, store: ObjectStore) -> None:
    with pytest.raises(NoChampion, match="Run `upkeep bootstrap SPEC`"):
        require_alias("champion", store=store)
    moved(released(candidate, store), None, store)
    with pytest.raises(
        NoChampion, match=r"'production' names no version yet.*named by champion: write that as release.alias"
    ):
        require_alias("production", store=store)


def test_a_manifest_that_nobody_could_read_back_is_not_written(candidate: Candidate, store: ObjectStore) -> None:
    """JSON has no word for NaN; the alias would move to a version that nobody can load."""
    manifest = released(candidate, store)
    measured = manifest.measured[0]
    nan = measured.model_copy(update={"estimate": measured.estimate.model_copy(update={"value": float("nan")})})
    with pytest.raises(StoreError, match=r"a Manifest was not stored.*measured\.0"):
        sealed(manifest.model_copy(update={"measured": (nan,)}))


@pytest.mark.parametrize("data", [b"[]", b"1", b"{}", b"cut o", b"\xff", b'{"sha256_of_the_rest": "0"}'])
def test_what_was_never_sealed_is_no_record(data: bytes) -> None:
    with pytest.raises(CorruptObject, match="its seal does not fit"):
        unsealed(Manifest, data, uri="s3://b/k")


def test_a_record_of_another_kind_or_one_that_leads_out_of_its_folder_is_told_though_its_seal_fits(
    candidate: Candidate, store: ObjectStore
) -> None:
    class Loose(BaseModel, extra="allow"):
        pass

    manifest = released(candidate, store)
    astray = manifest.files[0].model_copy(update={"path": "../astray"})
    strange = moved(manifest, None, store).entry, manifest.model_copy(update={"files": (astray,)})
    for record, told in zip(strange, ("model: Field required", "leads out of the version's folder"), strict=True):
        data = sealed(Loose.model_validate(record.model_dump(mode="json")))
        with pytest.raises(CorruptObject, match=rf"^s3://b/k is no Manifest .*{told}"):
            unsealed(Manifest, data, uri="s3://b/k")


def test_an_entry_says_who_moved_the_alias_when_in_which_run_from_which_version_to_which_why_and_by_which_evidence(
    candidate: Candidate, store: ObjectStore
) -> None:
    first, second = (released(candidate, store, run_id) for run_id in ("run-1", "run-2"))
    moved(first, None, store)
    before, began = store.get_bytes(store.keys.generation("champion", 1)), datetime.now(UTC)
    entry = moved(second, 1, store, "run-2").entry
    assert (entry.who, entry.run_id, entry.previous_version, entry.version, entry.why) == (
        whoami(),
        "run-2",
        1,
        2,
        "test",
    )
    assert began <= entry.at <= datetime.now(UTC)
    evidence, manifest = (store.get_bytes(key) for key in (store.keys.version(2) + EVIDENCE, store.keys.manifest(2)))
    assert entry.evidence_sha256 == sha256_of_bytes(evidence)
    assert (entry.manifest_sha256, entry.previous_entry_sha256) == (sha256_of_bytes(manifest), sha256_of_bytes(before))
    assert read_log("champion", store=store)[0] == entry


def test_a_version_that_no_byte_was_changed_of_and_that_cannot_be_loaded_is_not_verified(
    candidate: Candidate, store: ObjectStore
) -> None:
    broken = b"{}"
    store.put_bytes(candidate.prefix + "config.json", broken)
    files = tuple(file.model_copy(update={"sha256": sha256_of_bytes(broken), "bytes": len(broken)})
                  if file.path == "config.json" else file for file in candidate.files)  # fmt: skip
    manifest = released(candidate.model_copy(update={"files": files}), store)
    with pytest.raises(ModelError):
        verify_version.fn(manifest, kind=KIND, store=store)


def test_an_older_generation_that_was_copied_behind_the_newest_is_not_taken_for_it(
    candidate: Candidate, store: ObjectStore
) -> None:
    """Or every reader would load the champion of before, and none could ever be moved to again."""
    manifests = [released(candidate, store, run_id) for run_id in ("run-1", "run-2")]
    for manifest, before in zip(manifests, (None, 1), strict=True):
        moved(manifest, before, store, f"run-{manifest.version}")
    copied = store.keys.generation("champion", 3)
    store.put_bytes(copied, store.get_bytes(store.keys.generation("champion", 1)))
    for read in (read_alias, newest_entry, lambda alias, store: list(walk_log(alias, store=store))):
        with pytest.raises(
            CorruptObject, match=rf"{store.uri(copied)} is generation 1 of alias 'champion': it was copied there"
        ):
            read("champion", store=store)
    store.delete(copied)
    assert read_alias("champion", store=store).version == 2


def test_a_sealed_record_is_written_as_it_always_was_or_those_that_are_stored_would_count_as_changed() -> None:
    class Named(BaseModel):
        name: str

    seal = "2529d782d6e863dea55c44ec098f463ff64c4d7f97f91846658a8e61beceb445"
    assert sealed(Named(name="Käse")) == f'{{\n "name": "Käse",\n "sha256_of_the_rest": "{seal}"\n}}'.encode()


def test_a_space_between_two_fields_breaks_a_seal(candidate: Candidate, store: ObjectStore) -> None:
    data = sealed(released(candidate, store))
    assert unsealed(Manifest, data, uri="s3://b/k").version == 1
    with pytest.raises(CorruptObject, match="its seal does not fit"):
        unsealed(Manifest, data.replace(b'"version": 1', b'"version":  1'), uri="s3://b/k")


def test_of_many_promoters_of_one_generation_exactly_one_wins(candidate: Candidate, store: ObjectStore) -> None:
    moved(released(candidate, store), None, store)
    versions = [released(candidate, store, f"run-{i}") for i in range(2, 8)]
    won: list[int] = []

    def promote(manifest: Manifest) -> None:
        try:
            won.append(moved(manifest, 1, store, manifest.lineage.run_id).version)
        except StoreError:
            return

    threads = [threading.Thread(target=promote, args=(m,)) for m in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = read_log("champion", store=store)
    assert len(won) == 1
    assert [(e.generation, e.version) for e in log] == [(2, won[0]), (1, 1)]


def test_an_alias_that_this_run_moved_already_is_left_as_it_is(candidate: Candidate, store: ObjectStore) -> None:
    manifest = released(candidate, store)
    assert moved(manifest, None, store) == moved(manifest, None, store)
    assert len(read_log("champion", store=store)) == 1


def test_a_run_that_had_released_and_was_trained_anew_moves_on_from_its_own_version_and_from_no_other(
    candidate: Candidate, store: ObjectStore
) -> None:
    moved(released(candidate, store, "run-0"), None, store, "run-0")
    moved(released(candidate, store, "run-1"), 1, store, "run-1")
    anew = released(candidate.model_copy(update={"content_digest": "1" * 64}), store, "run-1")
    assert (anew.version, moved(anew, 1, store, "run-1").entry.previous_version) == (3, 2)
    moved(released(candidate, store, "run-2"), 3, store, "run-2")
    with pytest.raises(
        StoreError, match=r"somebody else moved it.*look at `upkeep versions SPEC` before you run again"
    ):
        moved(anew, 1, store, "run-1")


def test_who_began_before_an_alias_was_moved_on_and_back_does_not_move_it_though_it_names_the_same_version_again(
    candidate: Candidate, store: ObjectStore
) -> None:
    """A slow twin of a run that released, behind whose back a person rolled back."""
    first = moved(released(candidate, store, "run-0"), None, store, "run-0")
    second = moved(released(candidate, store, "run-1"), 1, store, "run-1")
    moved(first.manifest, 2, store, "rollback")
    with pytest.raises(
        StoreError, match=r"version 1 \(generation 3\), this run started from version 1 \(generation 1\)"
    ):
        move_alias.fn(second.manifest, alias="champion", expected=first.entry, run_id="run-1", why="late", store=store)
    assert read_log("champion", store=store)[0].version == 1


def test_before_the_first_release_the_error_names_the_command(store: ObjectStore) -> None:
    with pytest.raises(NoChampion, match=rf"below {store.uri('')}.*upkeep bootstrap.*spec's name, UPKEEP_S3_BUCKET"):
        require_alias("champion", store=store)
    with pytest.raises(SpecError, match=rf"version 7 does not exist; there is none below {store.uri('')}.*spec's name"):
        read_version(7, store=store)


def test_where_the_log_was_deleted_behind_finished_runs_nobody_is_sent_to_a_bootstrap_which_would_refuse(
    store: ObjectStore,
) -> None:
    store.put_bytes(store.keys.finished(1), b"{}")
    for find in (require_alias, newest_entry):
        with pytest.raises(
            CorruptObject, match=r"runs have finished.* its log was deleted\. Restore .*aliases/champion/"
        ):
            find("champion", store=store)


def test_an_unknown_version_is_refused_with_the_ones_that_exist(candidate: Candidate, store: ObjectStore) -> None:
    released(candidate, store)
    with pytest.raises(SpecError, match=r"version 7 does not exist; there are: \[1\]"):
        read_version(7, store=store)


def test_a_pulled_folder_is_as_open_as_its_owner_makes_folders(
    candidate: Candidate, store: ObjectStore, tmp_path: Path
) -> None:
    manifest = released(candidate, store)
    for mask, mode in ((0o077, 0o700), (0o022, 0o755)):
        before = os.umask(mask)
        try:
            pull(manifest, tmp_path / f"{mode:o}", store=store)
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / f"{mode:o}").stat().st_mode) == mode


def test_a_pull_to_where_a_link_leads_follows_it(candidate: Candidate, store: ObjectStore, tmp_path: Path) -> None:
    manifest = released(candidate, store)
    (tmp_path / "empty").mkdir()
    for link, there in (("current", "empty"), ("next", "not-there-yet")):
        (tmp_path / link).symlink_to(tmp_path / there)
        pull(manifest, tmp_path / link, store=store)
        assert (tmp_path / link).is_symlink()
        assert (tmp_path / there / "config.json").is_file()


def test_a_pull_into_a_folder_that_another_fills_meanwhile_is_refused_and_leaves_what_is_there(
    candidate: Candidate, store: ObjectStore, tmp_path: Path
) -> None:
    manifest, target = released(candidate, store), tmp_path / "pulled"
    pull(manifest, tmp_path / "another", store=store)

    def fill(**_: Any) -> None:
        if not target.exists():
            (tmp_path / "another").rename(target)

    store.client.meta.events.register("before-call.s3.GetObject", fill)
    with pytest.raises(SpecError, match="pulled exists and is not an empty folder"):
        pull(manifest, target, store=store)
    assert (target / "config.json").is_file()
    assert [path.name for path in tmp_path.glob(".pulled*")] == []


def test_a_pull_to_where_one_is_or_to_a_mount_is_refused_before_it_loads_anything(
    candidate: Candidate, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, here = released(candidate, store), tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "volume")
    for folder in (Path(), here, tmp_path / "volume"):
        with pytest.raises(SpecError, match="name a new folder in it"):
            pull(manifest, folder, store=store)
    assert not list(here.iterdir())


def test_a_pull_never_overwrites_a_folder_nor_a_file(candidate: Candidate, store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note").write_text("keep me")
    for mine in (tmp_path / "mine", tmp_path / "mine" / "note"):
        with pytest.raises(SpecError, match="nothing is overwritten"):
            pull(released(candidate, store), mine, store=store)
    assert (tmp_path / "mine" / "note").read_text() == "keep me"
