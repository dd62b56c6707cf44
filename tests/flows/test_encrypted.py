"""What a model's runs leave in the store, all of it, is encrypted as the spec says."""

from pathlib import Path
from typing import Any

import pytest

from errors import StoreError
from flows import retrain, score
from flows.bootstrap import bootstrap
from flows.maintain import maintain
from flows.rollback import rollback
from infra.object_store import ObjectStore
from models.contracts import Budget, Outcome, RunReport, ScoringJob, TrainingJob, Weights
from tasks import jobs
from tasks.jobs import store_job
from tasks.written_specs import written
from tests.flows.conftest import Home, moved
from tests.infra.specs import spec_with
from tests.servers import KEY, SECRET
from tests.tasks.reports import files, release, training_set
from tests.tiny import sentences


@pytest.fixture
def s3_url(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a server that takes any wish for encryption, and keeps no two writers apart where cores are busy."""
    monkeypatch.setenv("UPKEEP_S3_SINGLE_WRITER", "true")
    return moto_url


@pytest.mark.parametrize("flow", ["retrain", "score"])
def test_what_a_worker_writes_is_encrypted_as_the_spec_of_its_job_says(
    store: ObjectStore, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flow: str
) -> None:
    settings = {"BUCKET": store.bucket, "ENDPOINT_URL": s3_url, "ACCESS_KEY": KEY, "SECRET_KEY": SECRET}
    for name, value in settings.items():
        monkeypatch.setenv(f"UPKEEP_S3_{name}", value)
    spec, trained = spec_with(name="test", storage={"encryption": "AES256"}), training_set()
    job = (
        TrainingJob(spec=written(spec), champion=release(1), training_set=trained, budget=Budget())
        if flow == "retrain"
        else ScoringJob(
            spec=written(spec), rows=trained.test, weights=Weights(prefix="c/", files=files("new"), content_digest="c")
        )
    )
    asked = store_job(job, store=store)

    def die(*_: object, store: ObjectStore, **__: object) -> None:
        store.put_bytes("written", b"x")
        raise StoreError("planted")

    monkeypatch.setattr(retrain, "improve", die)
    monkeypatch.setattr(score, "score_rows", die)
    with pytest.raises(StoreError, match="planted"):
        {"retrain": retrain.retrain, "score": score.score}[flow].fn(asked.uri, tmp_path)
    head = store.client.head_object(Bucket=store.bucket, Key=store.prefix + "written")
    assert head.get("ServerSideEncryption") == "AES256"


@pytest.mark.slow
def test_every_object_of_a_release_and_of_its_way_there_is_encrypted_also_what_workers_wrote(
    home: Home, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: list[str] = []

    def on_a_worker(deployment: str, parameters: dict[str, Any], *, key: str) -> None:
        worked.append(deployment)
        flow = {"retrain/test": retrain.retrain, "score/test": score.score}[deployment]
        flow.fn(parameters["job"], tmp_path / "worker")

    monkeypatch.setattr(jobs, "run_on_pool", on_a_worker)
    for name, value in {"POOL": "a-pool", "FROM_ROWS": "20"}.items():
        monkeypatch.setenv(f"UPKEEP_GPU_{name}", value)
    home.receive("day-0", sentences(600))
    home.write_spec(storage={"encryption": "aws:kms", "kms_key_id": "k"})
    bootstrap(home.spec)
    home.receive("day-1", moved(600, start=2000))
    report = maintain(home.spec).report
    assert isinstance(report, RunReport) and report.outcome is Outcome.RELEASED
    rollback(home.spec)
    assert set(worked) == {"retrain/test", "score/test"}
    heads = {k: store.client.head_object(Bucket=store.bucket, Key=store.prefix + k) for k in store.list_keys("")}
    assert {"versions", "aliases", "history", "jobs", "candidates"} <= {key.split("/")[0] for key in heads}
    assert [key for key, head in heads.items() if head.get("ServerSideEncryption") != "aws:kms"] == []
