"""What runs ask of the store, held against the policies of infra/iam/ for those who run them (docs/access.md)."""

from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from errors import StoreError
from flows.bootstrap import bootstrap
from flows.inspect import pull_version, read_all_history, read_status
from flows.maintain import maintain
from flows.monitor import monitor
from flows.promote import promote
from flows.registry import audit_registry, diff, versions
from flows.rollback import rollback
from flows.signed import verify_version
from flows.waiting import find_waiting
from infra.object_store import ObjectStore
from models.contracts import Outcome, RunReport
from tasks import jobs
from tests.flows import champions
from tests.flows.conftest import Home, moved
from tests.infra.test_iam import MODEL, allows
from tests.tiny import sentences

ACTIONS = {
    "PutObject": "s3:PutObject", "CopyObject": "s3:PutObject", "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject", "CompleteMultipartUpload": "s3:PutObject", "DeleteObject": "s3:DeleteObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload", "ListParts": "s3:ListMultipartUploadParts",
    "GetObject": "s3:GetObject", "HeadObject": "s3:GetObject",
}  # fmt: skip
READER, TRAINER, BOTH, RELEASER = ["reader"], ["trainer"], ["trainer", "releaser"], ["releaser"]
Asked = tuple[str, str, bool]
"""Action, key below the model, whether only if absent."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """All that is asked of objects of the model, by whoever asks."""
    found: list[Asked] = []
    ask = BaseClient._make_api_call  # type: ignore[attr-defined]

    def noted(self: Any, operation: str, given: dict[str, Any]) -> Any:
        if operation in ACTIONS:
            found.append((ACTIONS[operation], given["Key"].removeprefix(f"{MODEL}/"), "IfNoneMatch" in given))
        else:
            assert operation in {"ListObjectsV2", "ListMultipartUploads"}
        return ask(self, operation, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", noted)
    return found


def refused(asked: list[Asked], roles: list[str]) -> list[Asked]:
    return [one for one in asked if not allows(roles, one[0], one[1], if_absent=one[2])]


def deny_all_but(roles: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the store keeps the policies of these roles."""
    denied: Any = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    ask = BaseClient._make_api_call  # type: ignore[attr-defined]

    def kept(self: Any, operation: str, given: dict[str, Any]) -> Any:
        wanted = (ACTIONS.get(operation, ""), given.get("Key", "").removeprefix(f"{MODEL}/"), "IfNoneMatch" in given)
        if operation in ACTIONS and refused([wanted], roles):
            raise ClientError(denied, operation)
        return ask(self, operation, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", kept)


@pytest.mark.parametrize(("roles", "below"), [(TRAINER, "versions"), (RELEASER, "candidates")])
def test_a_first_model_by_who_may_not_publish_is_refused_before_anything_is_trained_or_written(
    home: Home, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, roles: list[str], below: str
) -> None:
    home.receive("day-0", sentences(600))
    deny_all_but(roles, monkeypatch)
    with pytest.raises(StoreError, match=rf"{below}/: access denied .* nothing was trained.* trainer and releaser"):
        bootstrap(home.spec)
    assert store.list_keys("") == []


@pytest.mark.slow
def test_a_run_that_would_train_and_may_not_publish_is_refused_before_it_trains_and_one_that_may_goes_on_with_it(
    home: Home, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    champions.trained(home, store)
    home.receive("day-1", moved(600, start=2000))
    with monkeypatch.context() as restricted:
        deny_all_but(TRAINER, restricted)
        with pytest.raises(StoreError, match=r"access denied .* nothing was trained"):
            maintain(home.spec)
    assert len(store.list_keys("stages/candidate/")) == 1  # the champion's
    report = maintain(home.spec).report
    assert isinstance(report, RunReport) and report.outcome is Outcome.RELEASED


@pytest.mark.slow
def test_a_run_that_may_train_needs_trainer_and_releaser_also_where_the_alias_is_left_to_somebody_else(
    home: Home, asked: list[Asked], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import retrain

    def on_a_worker(deployment: str, parameters: dict[str, Any], *, key: str) -> None:
        before = len(asked)
        retrain.retrain.fn(parameters["job"], tmp_path / "worker")
        assert len(asked) > before
        assert refused(asked[before:], TRAINER) == []
        del asked[before:]

    home.receive("day-0", sentences(600))
    home.write_spec(release={"promote": False})
    bootstrap(home.spec)
    assert refused(asked, BOTH) == []
    assert refused(asked, TRAINER) != []

    asked.clear()
    home.receive("day-1", moved(600, start=2000))
    monitor(home.spec)
    assert refused(asked, TRAINER) == []

    asked.clear()
    monkeypatch.setenv("UPKEEP_GPU_POOL", "a-pool")
    monkeypatch.setattr(jobs, "run_on_pool", on_a_worker)
    report = maintain(home.spec).report
    assert isinstance(report, RunReport) and report.outcome is Outcome.PUBLISHED
    assert refused(asked, BOTH) == []
    assert {key.split("/")[0] for _, key, _ in refused(asked, TRAINER)} == {"claims", "versions"}

    asked.clear()
    promote(home.spec, why="read the report")
    rollback(home.spec)
    assert refused(asked, RELEASER) == []

    asked.clear()
    look_at(home, tmp_path / "pulled")
    assert refused(asked, READER) == []
    assert {"versions", "aliases", "history"} <= {key.split("/")[0] for _, key, _ in asked}


def look_at(home: Home, folder: Path) -> None:
    """All that people do who may only read."""
    read_status(home.spec)
    read_all_history(home.spec)
    versions(home.spec)
    diff(home.spec, 1, 2)
    audit_registry(home.spec, deep=True)
    pull_version(home.spec, "champion", folder)
    verify_version(home.spec, "2")
    find_waiting(home.spec)
