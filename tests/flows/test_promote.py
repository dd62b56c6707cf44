"""A version that waits becomes champion when a person says so; a broken champion can always be left."""

import json
from datetime import datetime, tzinfo
from typing import Any

import pytest
from typer.testing import CliRunner

from errors import CorruptObject, SpecError, StoreError
from flows.cli import app
from flows.inspect import read_all_history, read_status
from flows.moving import finish_move
from flows.promote import promote, publish_challenger, release_challenger
from flows.rollback import rollback
from infra.object_store import ObjectStore
from models.contracts import Attempt, Blessing, Manifest, Measured, Observation, Outcome, Record, Release, Verdict
from models.spec import read_spec
from tasks.registry.aliases import newest_entry, read_log
from tasks.registry.generations import move_alias
from tasks.registry.publishing import publish
from tasks.runs import close_run, open_run
from tests.flows.champions import adopted
from tests.flows.conftest import Home
from tests.flows.test_cli import upkeep
from tests.judged import entry
from tests.killed import Killed
from tests.releases import flip

pytestmark = pytest.mark.filterwarnings("ignore:Logger 'prefect")  # tasks outside of a flow: a second less each


class Registry:
    """Version 1 is champion; further versions of the same untrained weights are published on demand."""

    def __init__(self, home: Home, store: ObjectStore) -> None:
        self.first = adopted(home, store)
        self.spec, self.store = home.spec, store

    def publish(self, *, judged_against: int, evidence: Record | None = None) -> Manifest:
        was = self.first.release.manifest
        run = {"run_id": f"r{len(self.store.list_keys(self.store.keys.claims)) + 1}"}
        return publish.fn(
            self.first.candidate.model_copy(update={"parent": judged_against}), model="test",
            kind=read_spec(self.spec).kind, reference=was.reference, measured=was.measured,
            evidence=evidence or Measured(measurements=was.measured, to_beat=0.5),
            lineage=was.lineage.model_copy(update=run), created_at=was.created_at, store=self.store,
        )  # fmt: skip


def promoted(registry: Registry, **options: Any) -> Release:
    came = promote.fn(registry.spec, **options)
    assert isinstance(came, Release)
    return came


@pytest.fixture
def registry(home: Home, store: ObjectStore) -> Registry:
    return Registry(home, store)


def test_the_newest_version_that_waits_is_promoted_and_the_history_says_so(registry: Registry) -> None:
    registry.publish(judged_against=1)
    entry = promoted(registry, why="seen and approved").entry
    assert (entry.version, entry.previous_version, entry.why) == (2, 1, "seen and approved")
    last = read_all_history(registry.spec)[0]
    assert (last.outcome, last.champion_version) == (Outcome.PROMOTED, 2)
    assert read_status(registry.spec).unfinished is None


def test_with_nothing_that_waits_promote_says_what_to_do_instead(registry: Registry) -> None:
    with pytest.raises(SpecError, match=r"no version waits.*upkeep rollback"):
        promote.fn(registry.spec)


def test_a_version_that_cannot_be_is_not_taken_for_none_that_was_named(registry: Registry) -> None:
    registry.publish(judged_against=1)
    with pytest.raises(SpecError, match="version 0 does not exist"):
        promote.fn(registry.spec, version=0)
    promote.fn(registry.spec)
    with pytest.raises(SpecError, match="version 0 does not exist"):
        rollback.fn(registry.spec, to=0)
    with pytest.raises(SpecError, match="version 0 does not exist"):
        promote.fn(registry.spec, version=0, answer="reject", why="no")
    assert newest_entry("champion", store=registry.store).version == 2


def test_a_version_that_was_judged_against_another_champion_needs_force(registry: Registry) -> None:
    registry.publish(judged_against=1)
    registry.publish(judged_against=1)
    promote.fn(registry.spec, version=2)
    with pytest.raises(SpecError, match="passed its gates against version 1, and version 2 is champion now"):
        promote.fn(registry.spec)
    assert promoted(registry, force=True).version == 3


def test_of_two_that_promote_at_the_same_moment_one_is_told_who_was_first(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.publish(judged_against=1)
    registry.publish(judged_against=1)

    def move_behind_another(manifest: Manifest, **moves: Any) -> Release:
        monkeypatch.setattr("flows.moving.move_alias", move_alias.fn)
        promote.fn(registry.spec, version=3, why="the other")
        return move_alias.fn(manifest, **moves)

    monkeypatch.setattr("flows.moving.move_alias", move_behind_another)
    with pytest.raises(
        StoreError, match=r"alias 'champion' points to version 3 \(generation 2\), this run started from version 1 "
    ):
        promote.fn(registry.spec, version=2)
    assert [entry.version for entry in read_log("champion", store=registry.store)] == [3, 1]
    assert [entry.champion_version for entry in read_all_history(registry.spec)] == [3, 1]


def test_who_finds_nothing_that_waits_is_told_the_champion_of_that_moment(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not the one of before somebody else's promotion, which ended since the alias was read."""
    registry.publish(judged_against=1)

    def behind_another(*given: Any, **named: Any) -> bool:
        monkeypatch.setattr("flows.promote.finish_move", finish_move)
        promote.fn(registry.spec)
        return finish_move(*given, **named)

    monkeypatch.setattr("flows.promote.finish_move", behind_another)
    with pytest.raises(SpecError, match="no version waits: version 2 is champion, and there is no newer one"):
        promote.fn(registry.spec)


def test_a_move_that_was_killed_is_not_taken_for_one_of_the_other_kind(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who rolls back is not told that a promotion was his rollback, nor who promotes that a rollback was his promotion."""

    def killed_behind_its_move(move: Any) -> None:
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr("flows.moving.emit_move", dying)
            move(registry.spec)

    registry.publish(judged_against=1)
    killed_behind_its_move(promote.fn)
    back = rollback.fn(registry.spec)
    assert (back.version, back.entry.previous_version) == (1, 2)
    registry.publish(judged_against=1)
    promote.fn(registry.spec)
    registry.publish(judged_against=3)
    killed_behind_its_move(rollback.fn)
    with pytest.raises(SpecError, match="passed its gates against version 3, and version 1 is champion now"):
        promote.fn(registry.spec)
    told = [(run.outcome, run.champion_version) for run in read_all_history(registry.spec)][:-1]
    forth, again = (Outcome.PROMOTED, 2), (Outcome.PROMOTED, 3)
    assert told == [(Outcome.ROLLED_BACK, 1), again, (Outcome.ROLLED_BACK, 1), forth]


def dying(*_: object, **__: object) -> None:
    raise Killed


def test_the_champion_is_told_to_be_champion_and_not_to_be_judged_against_another(registry: Registry) -> None:
    registry.publish(judged_against=1)
    promote.fn(registry.spec)
    for force in (False, True):
        with pytest.raises(SpecError, match="version 2 is the champion already"):
            promote.fn(registry.spec, version=2, force=force)


def test_a_version_whose_bytes_were_changed_is_not_promoted(registry: Registry, store: ObjectStore) -> None:
    registry.publish(judged_against=1)
    flip(store, store.keys.version(2) + "model.safetensors")
    with pytest.raises(CorruptObject, match=r"versions/000002/model\.safetensors"):
        promote.fn(registry.spec)
    assert read_status(registry.spec).champion.version == 1


def test_a_version_whose_bytes_were_changed_is_not_released_by_its_own_run(
    registry: Registry, store: ObjectStore
) -> None:
    challenger, spec = registry.publish(judged_against=1), read_spec(registry.spec)
    attempt = Attempt.model_construct(blessing=Blessing(verdict=Verdict.BLESSED, gates=(), off=()))
    flip(store, store.keys.version(2) + "model.safetensors")
    with pytest.raises(CorruptObject, match=r"versions/000002/model\.safetensors"):
        release_challenger(
            spec, registry.first.start, registry.first.release, attempt, challenger, owed=entry(0), store=store
        )
    assert read_status(registry.spec).champion.version == 1


def test_a_run_whose_number_another_has_taken_releases_nothing(registry: Registry, store: ObjectStore) -> None:
    """As where one by another spec, or by --force, came and ended while it trained: its release would be in no history, and
    the rows that it read be looked at again, to judge what was trained on them."""
    challenger, spec = registry.publish(judged_against=1), read_spec(registry.spec)
    attempt = Attempt.model_construct(blessing=Blessing(verdict=Verdict.BLESSED, gates=(), off=()))
    start = open_run.fn(spec, "maintain", registry.first.release, force=True, store=store)
    last = read_all_history(registry.spec)[0]
    other = last.model_copy(update={"sequence": start.sequence, "run_id": "other", "kind": "maintain"})
    close_run.fn(other, store=store)
    with pytest.raises(StoreError, match=f"another run of .* finished as number {start.sequence} in the meantime"):
        release_challenger(spec, start, registry.first.release, attempt, challenger, owed=entry(0), store=store)
    with pytest.raises(StoreError, match=f"another run of .* finished as number {start.sequence} in the meantime"):
        publish_challenger(
            spec, start, registry.first.release, Observation.model_construct(), attempt, store=store
        )  # fmt: skip
    assert newest_entry("champion", store=store).version == 1


def test_a_run_that_another_process_has_finished_finds_its_release_done(registry: Registry, store: ObjectStore) -> None:
    challenger, spec = registry.publish(judged_against=1), read_spec(registry.spec)
    attempt = Attempt.model_construct(blessing=Blessing(verdict=Verdict.BLESSED, gates=(), off=()))
    start = open_run.fn(spec, "maintain", registry.first.release, force=True, store=store)
    release = release_challenger(spec, start, registry.first.release, attempt, challenger, owed=entry(0), store=store)
    last = read_all_history(registry.spec)[0]
    done = {"sequence": start.sequence, "run_id": start.run_id, "kind": "maintain", "champion_version": 2}
    close_run.fn(last.model_copy(update=done), store=store)
    assert (
        release_challenger(spec, start, registry.first.release, attempt, challenger, owed=entry(0), store=store)
        == release
    )
    anew = registry.publish(judged_against=1)
    with pytest.raises(StoreError, match="in the meantime"):  # trained on a GPU, its weights may be others
        release_challenger(spec, start, registry.first.release, attempt, anew, owed=entry(0), store=store)
    assert newest_entry("champion", store=store).version == 2


def test_a_champion_whose_manifest_was_changed_can_be_left(registry: Registry, store: ObjectStore) -> None:
    registry.publish(judged_against=1)
    promote.fn(registry.spec)
    flip(store, store.keys.manifest(2), byte=50)
    with pytest.raises(CorruptObject, match="Roll back"):
        read_status(registry.spec)
    assert rollback.fn(registry.spec).version == 1


def test_versions_lists_the_others_beside_one_whose_manifest_was_changed_and_tells_by_its_exit_code(
    registry: Registry, store: ObjectStore
) -> None:
    registry.publish(judged_against=1)
    assert CliRunner().invoke(app, ["versions", str(registry.spec)]).exit_code == 0
    flip(store, store.keys.manifest(2), byte=50)
    done = CliRunner().invoke(app, ["versions", str(registry.spec)])
    second, first = done.output.splitlines()
    assert done.exit_code == 6
    assert second.startswith("   2  s3://") and "its seal does not fit" in second
    assert first.startswith("   1  2") and first.endswith("champion")


def test_gc_tells_of_an_upload_that_nobody_went_on_with(
    registry: Registry, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class InEightDays(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "InEightDays":
            return cls.fromtimestamp(datetime.now(tz).timestamp() + 8 * 86400, tz)

    store.client.create_multipart_upload(Bucket=store.bucket, Key=f"{store.prefix}candidates/x/y")
    assert "candidates/x/y" not in CliRunner().invoke(app, ["gc", str(registry.spec)]).output
    monkeypatch.setattr("flows.registry.datetime", InEightDays)
    told = CliRunner().invoke(app, ["gc", str(registry.spec)]).output
    assert "upload of candidates/x/y" in told
    assert "would be deleted: nobody went on with it for 7 days" in told


@pytest.mark.slow
def test_the_commands_for_the_registry_answer_in_words_and_in_json(registry: Registry, store: ObjectStore) -> None:
    registry.publish(judged_against=1)
    spec = str(registry.spec)
    shown = upkeep("versions", spec)
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["2", "1"]
    assert shown.stdout.rstrip().endswith("champion")
    assert "README.md" in upkeep("diff", spec, "1", "2").stdout
    assert "all fit" in upkeep("audit", spec, "--deep").stdout
    assert json.loads(upkeep("gc", spec, "--json").stdout)[0]["removed"] is False
    assert upkeep("gc", spec, "--older-than", "1h").returncode == 2
    assert upkeep("gc", spec, "--uploads-older-than", "1h").returncode == 2
    blobs = upkeep("gc", spec, "--blobs-older-than", "7d")
    assert blobs.returncode == 2 and "or be used again by the next run; at least 14d" in blobs.stderr
    assert "blobs of" not in upkeep("gc", spec, "--blobs-older-than", "never").stdout
    flip(store, store.keys.generation("champion", 1), byte=30)
    broken = upkeep("audit", spec)
    assert broken.returncode == 6
    assert "does not fit: s3://" in broken.stdout
