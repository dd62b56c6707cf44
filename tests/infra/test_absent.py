"""A store that denies the reading of what is not there, as Ceph's gateway does under policies like those of infra/iam/."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, EndpointConnectionError

from errors import MissingObject, StoreError
from infra.fetching import Incoming, fetch_files
from infra.object_store import ObjectStore

DENIED = "access denied .*: this needs s3:GetObject there"


@pytest.fixture
def denying(store: ObjectStore) -> ObjectStore:
    """Whatever is read."""

    def deny(request: Any, **_: Any) -> AWSResponse:
        words = b"" if request.method == "HEAD" else b"<Error><Code>AccessDenied</Code></Error>"
        return AWSResponse(request.url, 403, {}, SimpleNamespace(stream=lambda: [words]))

    for operation in ("GetObject", "HeadObject"):
        store.client.meta.events.register(f"before-send.s3.{operation}", deny)
    return store


def test_what_is_denied_and_not_listed_is_not_there(denying: ObjectStore, tmp_path: Path) -> None:
    denying.put_bytes("runs/open.json.old", b"{}")  # listed first below the key, and another
    assert not denying.exists("runs/open.json")
    for look in (denying.get_bytes, denying.get_used):
        with pytest.raises(MissingObject, match=r"runs/open.json: nothing is stored there"):
            look("runs/open.json")
    with pytest.raises(MissingObject):
        fetch_files(denying.client, [Incoming(denying.uri("runs/open.json"), tmp_path / "open.json")])


def test_what_is_not_there_has_the_code_and_the_status_of_that_for_whoever_looks_at_either(
    denying: ObjectStore,
) -> None:
    with pytest.raises(ClientError) as told:
        denying.client.get_object(Bucket=denying.bucket, Key=denying.prefix + "runs/open.json")
    response = told.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("NoSuchKey", 404)


def test_what_is_denied_and_listed_is_denied(denying: ObjectStore) -> None:
    denying.put_bytes("runs/open.json", b"{}")
    for look in (denying.get_bytes, denying.get_used, denying.exists):
        with pytest.raises(StoreError, match="access denied"):
            look("runs/open.json")


def test_what_is_denied_stays_denied_where_nobody_may_list_it_or_the_listing_says_nothing(
    denying: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing: dict[str, Any] = {"ResponseMetadata": {}}
    monkeypatch.setattr(denying.client, "list_objects_v2", lambda **_: nothing)
    with pytest.raises(StoreError, match=DENIED):
        denying.get_bytes("runs/open.json")

    def lose(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="there")

    monkeypatch.setattr(denying.client, "list_objects_v2", lose)
    with pytest.raises(StoreError, match=DENIED):
        denying.get_bytes("runs/open.json")
    monkeypatch.undo()
    denying.client.meta.events.register(
        "before-send.s3.ListObjectsV2",
        lambda request, **_: AWSResponse(request.url, 403, {}, SimpleNamespace(stream=lambda: [b""])),
    )
    with pytest.raises(StoreError, match=DENIED):
        denying.get_bytes("runs/open.json")
