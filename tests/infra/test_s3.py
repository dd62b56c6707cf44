"""What Upkeep sets right about boto3. No server answers here: what one would say is planted where it comes in."""

import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    ClientError,
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from errors import StoreError
from infra import s3
from infra.s3 import list_items, open_client, read_whole, split_uri, translated

KEY = "AKIAIOSFODNN7EXAMPLE"
UNDECIDED = b"<Error><Code>ConditionalRequestConflict</Code></Error>"
Waits = list[float]


def client_of(endpoint_url: str | None = "http://store.example:9") -> Any:
    return open_client(endpoint_url=endpoint_url, region="eu-central-1", access_key="a", secret_key="b")


def answering(*answers: tuple[int, bytes]) -> tuple[Any, list[str]]:
    """A client whose requests are answered so, one after the other and then by the last, and those requests."""
    client, asked = client_of(), []

    def answer(request: Any, **_: Any) -> AWSResponse:
        status, words = answers[min(len(asked), len(answers) - 1)]
        asked.append(request.url)
        return AWSResponse(request.url, status, {}, SimpleNamespace(stream=lambda: [words]))

    client.meta.events.register("before-send.s3", answer)
    return client, asked


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    """How long it was waited, between which nobody really waits."""
    waits: Waits = []
    for module in (botocore.endpoint, s3):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=waits.append))
    return waits


def test_a_write_of_two_at_once_of_which_the_store_let_none_through_is_tried_again(waits: Waits) -> None:
    client, asked = answering((409, UNDECIDED), (409, UNDECIDED), (200, b""))
    client.put_object(Bucket="b", Key="k", Body=b"x", IfNoneMatch="*")
    assert len(asked) == 3 and all(0 <= seconds < 1 for seconds in waits)


@pytest.mark.parametrize(
    ("status", "words", "tries"), [(409, UNDECIDED, 6), (503, b"<Error><Code>SlowDown</Code></Error>", 7)]
)
def test_what_no_try_gets_through_is_an_error_after_so_many(
    status: int, words: bytes, tries: int, waits: Waits
) -> None:  # fmt: skip
    client, asked = answering((status, words))
    with pytest.raises(StoreError), translated("s3://b/k"):
        client.put_object(Bucket="b", Key="k", Body=b"x", IfNoneMatch="*")
    assert len(asked) == tries


def test_a_copy_that_the_store_does_not_answer_in_time_is_not_begun_once_more(waits: Waits) -> None:
    client, asked = client_of(), []

    def hang(request: Any, **_: Any) -> None:
        asked.append(request.url)
        raise ReadTimeoutError(endpoint_url="there")

    client.meta.events.register("before-send.s3.CopyObject", hang)
    with pytest.raises(ReadTimeoutError):
        client.copy_object(Bucket="b", Key="k", CopySource={"Bucket": "b", "Key": "j"})
    assert len(asked) == 1


def test_a_listing_without_content_is_not_taken_for_an_empty_prefix() -> None:
    client, _ = answering((200, b""))
    with pytest.raises(StoreError, match=r"s3://b/p/: the store's listing has no content, .* Nothing was done"):
        list(list_items(client, "b", "p/"))


@pytest.mark.parametrize(
    "problem",
    [
        FlexibleChecksumError(error_msg="differs"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
        ReadTimeoutError(endpoint_url="there"),
        ResponseStreamingError(error="broke"),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_a_body_that_breaks_is_asked_for_again_after_a_while_however_it_breaks(
    problem: Exception, waits: Waits
) -> None:
    answers = iter([problem, problem, "whole"])

    def use(answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert read_whole(lambda: next(answers), use) == "whole"
    assert waits == [0.1, 0.3]


@pytest.mark.parametrize("address", ["https://b/k", "b/k", "s3://", "s3:///k", ""])
def test_what_is_no_address_in_a_store_is_told_as_that(address: str) -> None:
    with pytest.raises(StoreError, match=r"is no S3 address; write s3://bucket/prefix"):
        split_uri(address)


def test_a_bucket_stands_in_the_path_on_a_server_of_one_s_own_and_in_the_host_on_aws() -> None:
    def where(client: Any) -> str:
        return str(client.generate_presigned_url("get_object", Params={"Bucket": "b-1", "Key": "k"})).split("?")[0]

    assert where(client_of()) == "http://store.example:9/b-1/k"
    assert where(client_of(None)).startswith("https://b-1.s3.")


def test_a_store_that_hangs_is_given_up_after_ten_seconds_and_after_a_minute() -> None:
    config = client_of().meta.config
    assert (config.connect_timeout, config.read_timeout) == (10, 60)


def as_cause(outer: Exception, inner: Exception) -> None:
    outer.__cause__ = inner


def as_context(outer: Exception, inner: Exception) -> None:
    outer.__context__ = inner


@pytest.mark.parametrize("chain", [as_cause, as_context])
def test_no_traceback_shows_a_key_that_a_store_or_a_proxy_has_repeated(
    chain: Callable[[Exception, Exception], None],
) -> None:
    refused = ClientError({"Error": {"Code": "Odd", "Message": f"sent by {KEY}"}}, "PutObject")
    problem = S3UploadFailedError(f"failed for {KEY}")
    chain(problem, refused)
    with pytest.raises(StoreError) as caught, translated("s3://b/k"):
        raise problem
    assert KEY not in "".join(traceback.format_exception(caught.value))
