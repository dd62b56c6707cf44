"""boto3, and what Upkeep sets right about it: the client, its addresses and its errors."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from errors import SpecError, StoreError, redact_causes
from infra.absent import tell_absent
from infra.refusals import UNDECIDED, explained

TRIES = 6
READ_PAUSES = (0.1, 0.3, 1.0, 3.0)
CONNECT_SECONDS, READ_SECONDS = 10, 60
PLACE = "upkeep_place"
A = TypeVar("A")
T = TypeVar("T")


@dataclass(frozen=True)
class Listed:
    """An object as a listing shows it; `etag` names its content, and is empty where the server gives none."""

    uri: str
    bytes: int
    etag: str
    modified: datetime


def open_client(*, endpoint_url: str | None, region: str, access_key: str | None, secret_key: str | None) -> Any:
    """An S3 client for any S3-compatible server; both keys None: boto3's own search for credentials."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    if endpoint_url:
        _require_address(endpoint_url)
    config = Config(
        retries={"mode": "standard", "max_attempts": TRIES}, connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS,
        s3={"addressing_style": "path"} if endpoint_url else {},
    )  # fmt: skip
    try:
        client = boto3.client(
            "s3", endpoint_url=endpoint_url, region_name=region, config=config,
            aws_access_key_id=access_key, aws_secret_access_key=secret_key,
        )  # fmt: skip
    except (BotoCoreError, ValueError) as problem:
        raise SpecError(f"no client of the store can be made of the settings: {problem}. Look at UPKEEP_S3_ENDPOINT_URL, at "
                        "UPKEEP_S3_REGION, and at UPKEEP_S3_ACCESS_KEY and UPKEEP_S3_SECRET_KEY: both keys or neither") from problem  # fmt: skip
    client.meta.events.register("needs-retry.s3.PutObject", _once_more)
    client.meta.events.register("needs-retry.s3.CopyObject", _not_again)
    tell_absent(client)
    return client


def _require_address(url: str) -> None:
    """It is not shown: a password before an @ is only seen as such behind a scheme."""
    try:
        address = urlsplit(url)
        fits = address.scheme in {"http", "https"} and address.hostname and address.port != 0
    except ValueError:  # half a bracket, or a port that is none
        fits = False
    if not fits:
        raise SpecError("UPKEEP_S3_ENDPOINT_URL is no address of a server: write http://host:port or https://host")
    if address.username or address.password or address.query:
        raise SpecError("UPKEEP_S3_ENDPOINT_URL holds a user, a password or a query, and addresses are shown in messages: "
                        "write scheme://host:port, and give credentials by UPKEEP_S3_ACCESS_KEY and its secret")  # fmt: skip


def name_place(client: Any, name: str) -> None:
    """Of a store that has another address each time."""
    setattr(client, PLACE, name)


def place_of(client: Any) -> str:
    """By which what was learnt of a store, or begun there, is found again: its address, unless it was given a name."""
    return str(getattr(client, PLACE, client.meta.endpoint_url))


def split_uri(uri: str) -> tuple[str, str]:
    """'s3://bucket/some/key' as ('bucket', 'some/key')."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise StoreError(f"{uri!r} is no S3 address; write s3://bucket/prefix")
    return bucket, key


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """Turns boto's errors into ours, which name the address and the way out and carry no credentials."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError, Boto3Error) as problem:
        redact_causes(problem)
        raise explained(problem, uri) from problem


def read_object(client: Any, bucket: str, key: str, use: Callable[[Any], T]) -> T:
    """What `use` makes of an object's body."""
    return read_whole(lambda: client.get_object(Bucket=bucket, Key=key)["Body"], use)


def read_whole(ask: Callable[[], A], use: Callable[[A], T]) -> T:
    """What `use` makes of the answer that `ask` gets. Where the connection breaks in the midst of a body, it is asked for
    again: boto3 repeats requests, and the reading of a body for whole files only. A request that fails is not repeated
    once more here: at a store that hangs, that would take half an hour."""
    from botocore.exceptions import FlexibleChecksumError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError

    for pause in READ_PAUSES:
        answer = ask()
        try:
            return use(answer)
        except (FlexibleChecksumError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
            time.sleep(pause)
    return use(ask())


def list_items(client: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """What is below a prefix, in lexical order. An empty answer is not taken for an empty prefix: `upkeep gc` would
    delete every version, had it found no alias that names one."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        if "IsTruncated" not in page:
            raise StoreError(f"s3://{bucket}/{prefix}: the store's listing has no content, not even that it is empty. "
                             "Nothing was done; run again, and look at what stands between here and the store.")  # fmt: skip
        yield from page.get("Contents", [])


def _once_more(response: tuple[Any, dict[str, Any]] | None, attempts: int, **_: Any) -> float | None:
    """Seconds to wait where the store let none of several writers through; botocore knows no such answer."""
    code = response[1].get("Error", {}).get("Code") if response else None
    return secrets.randbelow(100) / 100 if code in UNDECIDED and attempts < TRIES else None


def _not_again(caught_exception: BaseException | None, **_: Any) -> None:
    """A store that copies longer than one waits would only begin the same copy once more; `copy_files` copies in parts
    then."""
    from botocore.exceptions import ReadTimeoutError

    if isinstance(caught_exception, ReadTimeoutError):
        raise caught_exception
