"""A drift without labels, the batch that it asks for, and what its labels change."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.bootstrap import bootstrap
from flows.inspect import read_all_history
from flows.label import describe_labels, label
from flows.maintain import maintain
from flows.story import tell
from infra.object_store import ObjectStore
from models.contracts import LabelRequest, Outcome, RunReport
from models.spec import read_spec
from tests.flows.champions import run
from tests.flows.conftest import Home, moved
from tests.killed import Killed
from tests.tiny import sentences

WANTED = 400


@pytest.fixture
def drifted(home: Home) -> Home:
    """A champion, and a window from another domain that nobody has labelled."""
    gates = [{"kind": "better"}, {"kind": "latency", "factor": 50}]
    home.write_spec(policy={"min_rows": 20, "labels_wanted": WANTED}, gates=gates)
    home.receive("day-0", sentences(500))
    bootstrap(home.spec)
    home.receive("day-1", moved(600, start=2000).assign(label=None))
    return home


def fill(request: LabelRequest) -> Path:
    """What a person does in a spreadsheet; in the other domain the words that decide are used the other way round."""
    sheet = pd.read_csv(request.local_csv, encoding="utf-8-sig", dtype=str, keep_default_na=False)
    negative = sheet["text"].str.contains("good|great|fine")
    filled = Path(request.local_csv).with_name("filled.csv")
    sheet.assign(label=negative.map({True: "negative", False: "positive"})).to_csv(filled, index=False)
    return filled


@pytest.mark.slow
def test_a_drift_without_labels_asks_for_them_and_the_run_after_they_came_retrains_on_them(
    drifted: Home, store: ObjectStore
) -> None:
    before = store.list_keys("")
    assert run(drifted, dry_run=True).label_request is None
    assert store.list_keys("") == before
    assert not (drifted.folder / ".upkeep" / "labelling").exists()

    ended = maintain(drifted.spec)
    alert = ended.report
    assert isinstance(alert, RunReport)
    assert alert.outcome is Outcome.ALERTED
    asked = alert.label_request
    assert asked is not None
    assert (asked.random_rows, asked.unlike_rows) == (320, 80)
    assert 0.2 < asked.power < 1
    assert asked.local_csv in alert.headline
    assert ended.pages is not None
    for told in ("\n".join(tell(ended)), Path(ended.pages.local_html).read_text()):
        assert asked.local_csv in told
        assert "upkeep label SPEC FILE" in told
        assert "not evidence of safety" in told
    assert alert.observation is not None
    guessed = alert.observation.monitoring.estimates
    assert [(e.method, e.truth) for e in guessed] == [("CBPE", None), ("ATC", None), ("DoC", None)]

    taken = label(drifted.spec, fill(asked))
    assert (taken.new, taken.waiting) == (WANTED, 320)
    told = "\n".join(describe_labels(taken, read_spec(drifted.spec), spec_path=drifted.spec))
    assert "400 rows, 400 labelled, 0 open" in told
    assert "by 320 labels whether quality fell and retrains on them if it did" in told

    drifted.receive("day-2", sentences(150, start=9000).assign(label=None))
    decided = run(drifted)
    assert decided.decision is not None
    assert decided.decision.degraded
    assert decided.outcome is Outcome.RELEASED
    seen, attempt, release = decided.observation, decided.attempt, decided.release
    assert seen is not None
    assert attempt is not None
    assert release is not None
    assert seen.validation.read == seen.validation.kept.rows == WANTED + 150
    assert (seen.monitoring.labelled, seen.drift.current_rows, seen.drift.drifted) == (320, 150, False)
    assert [e.truth.n if e.truth else 0 for e in seen.monitoring.estimates] == [320, 320, 320]
    sealed, trained = (
        pd.read_parquet(store.get_file(t)) for t in (attempt.training_set.test, attempt.training_set.train)
    )
    assert set(sealed["chosen"]) == {"random"}
    assert "unlike" in set(trained["chosen"])
    reference = pd.read_parquet(store.get_file(release.manifest.reference.table))
    assert reference["content"].is_unique
    assert len(reference) == 500 + WANTED + 150
    assert run(drifted).outcome is Outcome.WAITING


@pytest.mark.slow
def test_a_run_that_is_killed_after_it_wrote_the_batch_keeps_what_a_person_filled_in_and_tells_its_events_again(
    drifted: Home, monkeypatch: pytest.MonkeyPatch, store: ObjectStore
) -> None:
    def die(*args: Any, **options: Any) -> None:
        raise Killed

    told: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("tasks.events.emit_event", lambda name, **rest: told.append((name, rest)))
    run(drifted, dry_run=True)
    assert told == []
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr("flows.maintain.close", die)
        maintain(drifted.spec)
    (sheet,) = (drifted.folder / ".upkeep" / "labelling").glob("*.csv")
    lines = sheet.read_bytes().split(b"\r\n")
    sheet.write_bytes(b"\r\n".join([lines[0], b"negative" + lines[1], *lines[2:]]))
    begun = sheet.read_bytes()

    report = run(drifted)
    assert report.label_request is not None
    assert report.label_request.local_csv == str(sheet)
    assert sheet.read_bytes() == begun
    assert len(store.list_keys(store.keys.requests)) == 1
    assert len(read_all_history(drifted.spec)) == 2
    assert label(drifted.spec, sheet).new == 1

    assert [name for name, _ in told] == 2 * [
        "upkeep.window.ingested",
        "upkeep.drift.detected",
        "upkeep.labels.requested",
    ]
    assert told[0][1]["id"] == told[3][1]["id"] != told[1][1]["id"]
    assert told[0][1]["resource"]["prefect.resource.id"] == "upkeep.model.test"
    assert told[0][1]["related"][0]["prefect.resource.id"] == f"upkeep.run.{report.start.run_id}"
    assert report.observation is not None
    assert told[0][1]["payload"]["window_digest"] == report.observation.window.table.sha256
    json.dumps([rest["payload"] for _, rest in told])
