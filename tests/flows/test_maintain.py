import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from errors import DataError, SpecError
from flows.bootstrap import bootstrap
from flows.inspect import describe, pull_version, read_all_history, read_status
from flows.maintain import maintain
from flows.replay import as_json, replay, replay_lines
from flows.rollback import rollback
from infra.object_store import ObjectStore
from infra.sending import Outgoing
from models.contracts import Outcome
from models.recipe import ADOPTED
from tests.flows.champions import run, trained
from tests.flows.conftest import Home, flipped, moved
from tests.killed import Killed
from tests.shown import artifacts
from tests.tiny import sentences


def outcome(home: Home, **options: bool) -> Outcome:
    return run(home, **options).outcome


@pytest.fixture
def champion(home: Home, store: ObjectStore) -> Home:
    trained(home, store)
    return home


@pytest.mark.slow
def test_a_year_in_short_bootstrap_quiet_drift_bad_labels_and_rollback(champion: Home, tmp_path: Path) -> None:
    home = champion
    assert outcome(home) is Outcome.WAITING
    home.receive("day-1", sentences(120, start=1000))
    assert outcome(home) is Outcome.HELD
    home.receive("day-2", moved(600, start=2000))
    assert outcome(home) is Outcome.RELEASED
    home.receive("day-3", flipped(moved(300, start=4000)))
    assert outcome(home) in {Outcome.REJECTED, Outcome.INSUFFICIENT}
    spending_and_replay(home)
    status = read_status(home.spec)
    assert status.champion is not None
    assert status.champion.version == 2
    assert [e.outcome for e in read_all_history(home.spec)][-2:] == [Outcome.WAITING, Outcome.BOOTSTRAPPED]
    assert rollback(home.spec).version == 1
    assert pull_version(home.spec, "champion", tmp_path / "pulled").version == 1


def spending_and_replay(home: Home) -> None:
    """What the year's runs cost is in the history, and the policy can be tried on them."""
    bad_labels, drifted, quiet, waited, first = read_all_history(home.spec)
    assert first.training_minutes > 0
    assert (waited.drift_alpha, waited.quality_alpha, waited.training_minutes) == (0, 0, 0)
    for entry in (quiet, drifted, bad_labels):
        assert entry.drift_alpha == pytest.approx(0.01)
        assert entry.quality_alpha == pytest.approx(0.01)
    assert drifted.training_minutes > 0 == quiet.training_minutes
    status = read_status(home.spec)
    assert status.spent.drift == sum(entry.drift_alpha for entry in (quiet, drifted, bad_labels))
    assert "of 1 expected spent in the last 365 days (drift " in "\n".join(describe(status))
    same = replay(home.spec, first=None, last=None)
    assert [run.differs for run in same.runs] == [False] * 3
    assert same.then == same.now
    home.write_spec(policy={"min_rows": 20, "cooldown": "7d"})
    cooler = replay(home.spec, first=None, last=None)
    assert [run.now.decision.action for run in cooler.runs] == ["hold", "retrain", "alert"]
    assert "policy.cooldown = 7d lasts until" in "\n".join(replay_lines(cooler))
    assert as_json(cooler)["totals"]["now"]["retrainings"] == 1
    home.write_spec()


def test_a_dry_run_writes_nothing_and_says_what_it_would_do(champion: Home, store: ObjectStore) -> None:
    def everything() -> list[Any]:
        """The bucket's keys and bytes, the user's folder and all below it, and what Prefect shows."""
        listed = store.client.list_objects_v2(Bucket=store.bucket)["Contents"]
        keys = sorted(item["Key"] for item in listed)
        contents = [store.client.get_object(Bucket=store.bucket, Key=key)["Body"].read() for key in keys]
        paths = sorted(champion.folder.rglob("*"))
        files = [(path, path.stat().st_mtime_ns, path.read_bytes()) for path in paths if path.is_file()]
        return [keys, contents, paths, files, artifacts()]

    assert outcome(champion) is Outcome.WAITING
    before = everything()
    assert outcome(champion, dry_run=True) is Outcome.WAITING
    assert everything() == before
    champion.receive("day-1", moved(600, start=2000))
    shutil.rmtree(champion.folder / ".upkeep")  # as on a machine that has never seen this model
    before = everything()
    assert outcome(champion, dry_run=True) is Outcome.WOULD_RETRAIN
    assert everything() == before


@pytest.mark.slow
def test_force_retrains_on_a_quiet_day(champion: Home) -> None:
    champion.receive("day-1", sentences(300, start=1000))
    report = run(champion, force=True)
    assert report.attempt is not None


def test_too_many_bad_rows_change_nothing_and_the_mended_file_is_read_by_the_next_run(champion: Home) -> None:
    bad = sentences(120, start=1000).assign(label="sideways")
    champion.receive("day-1", bad)
    with pytest.raises(DataError, match="sideways"):
        maintain(champion.spec)
    assert len(read_all_history(champion.spec)) == 1
    champion.receive("day-1", sentences(120, start=1000))
    assert outcome(champion) is Outcome.HELD


def test_a_spec_that_would_seal_what_the_champion_learned_from_is_refused_until_it_is_mended(champion: Home) -> None:
    training = yaml.safe_load(champion.spec.read_text())["training"]
    champion.write_spec(training={**training, "test_share": 0.5})
    champion.receive("day-1", sentences(120, start=1000))
    with pytest.raises(SpecError, match="test_share was raised"):
        maintain(champion.spec)
    champion.write_spec()
    assert outcome(champion) is Outcome.HELD


def test_a_first_window_that_is_not_full_is_told_as_such_and_not_as_rows_without_labels(home: Home) -> None:
    home.write_spec(window={"by": "count", "rows": 1000})
    home.receive("day-0", sentences(120))
    with pytest.raises(DataError, match=r"not full yet \(window.by: count, 1000\).*by: all until there is a champion"):
        bootstrap(home.spec)


def test_a_second_bootstrap_is_refused(champion: Home) -> None:
    with pytest.raises(SpecError, match="has a champion already"):
        bootstrap(champion.spec)


def test_a_model_in_production_is_adopted_without_training(champion: Home) -> None:
    pull_version(champion.spec, "champion", champion.folder / "production")
    champion.write_spec(name="adopted", model={"source": "production", "max_tokens": 16, "adopt": True})
    report = bootstrap(champion.spec).report
    assert report.release is not None
    assert report.release.manifest.lineage.recipe == ADOPTED


EVERY = 4
"""Writes between two deaths. At each single write it would hold, too, but Prefect takes seconds to note a crash."""


def _written(what: Any) -> list[str]:
    """The keys or addresses that a store's method wrote, whatever it was given."""
    if isinstance(what, str):
        return [what]
    return [file.uri if isinstance(file, Outgoing) else file.target for file in what]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_killed_again_and_again_still_ends_in_one_release_with_a_champion_all_along(
    champion: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    champion.receive("day-1", moved(600, start=2000))
    written: set[str] = set()

    def die_after(name: str) -> None:
        original = getattr(ObjectStore, name)

        def write_and_die(self: ObjectStore, *args: Any, **options: Any) -> Any:
            result = original(self, *args, **options)
            target = f"{name} {_written(args[0])}"
            if target not in written:
                written.add(target)
                if len(written) % EVERY == 0:
                    raise Killed
            return result

        monkeypatch.setattr(ObjectStore, name, write_and_die)

    for name in ("put_bytes", "put_files", "copy_files", "delete"):
        die_after(name)
    seen = []
    while len(read_all_history(champion.spec)) == 1:
        with contextlib.suppress(Killed):
            maintain(champion.spec)
        pulled = pull_version(champion.spec, "champion", tmp_path / f"pulled-{len(seen)}")
        seen.append(pulled.version)
    assert seen == sorted(seen)
    assert set(seen) == {1, 2}
    assert len(written) > 25
    assert read_all_history(champion.spec)[0].outcome is Outcome.RELEASED
    assert [e.version for e in read_status(champion.spec).log] == [2, 1]
    assert read_status(champion.spec).versions == (1, 2)
