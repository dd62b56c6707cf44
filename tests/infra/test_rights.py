"""Whether one may publish is asked without a trace."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from errors import StoreError
from infra.object_store import ObjectStore
from infra.rights import require_right_to_publish
from infra.unfinished import list_unfinished

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


def refuse(store: ObjectStore, operation: str, status: int, code: str) -> None:
    def answer(request: Any, **_: Any) -> AWSResponse:
        words = f"<Error><Code>{code}</Code></Error>".encode()
        return AWSResponse(request.url, status, {}, SimpleNamespace(stream=lambda: [words]))

    store.client.meta.events.register(f"before-send.s3.{operation}", answer)


def test_the_question_leaves_nothing_in_the_store(store: ObjectStore) -> None:
    require_right_to_publish(store)
    assert store.list_keys("") == []
    assert list_unfinished(store.client, store.bucket, store.prefix, before=FOREVER) == []


def test_what_fails_for_another_reason_is_told_as_that(store: ObjectStore) -> None:
    refuse(store, "CreateMultipartUpload", 403, "InvalidAccessKeyId")
    with pytest.raises(StoreError, match="the store does not know this access key"):
        require_right_to_publish(store)


def test_who_may_publish_and_not_end_an_upload_may_publish(
    store: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(store, "AbortMultipartUpload", 403, "AccessDenied")
    require_right_to_publish(store)
    assert "could not be ended" in caplog.text
