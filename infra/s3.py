"""boto3, and what Upkeep sets right about it: the client, its transfers and its addresses."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from errors import SpecError, StoreError


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

    address = urlsplit(endpoint_url or "")
    if address.username or address.password or address.query:
        raise SpecError("UPKEEP_S3_ENDPOINT_URL holds a user, a password or a query, and addresses are shown in messages: "
                        "write scheme://host:port, and give credentials by UPKEEP_S3_ACCESS_KEY and its secret")  # fmt: skip
    config = Config(
        retries={"mode": "standard", "max_attempts": 6}, connect_timeout=10, read_timeout=60,
        s3={"addressing_style": "path"} if endpoint_url else {},
    )  # fmt: skip
    return boto3.client(
        "s3", endpoint_url=endpoint_url, region_name=region, config=config,
        aws_access_key_id=access_key, aws_secret_access_key=secret_key,
    )  # fmt: skip


def transfer_config() -> Any:
    from boto3.s3.transfer import TransferConfig

    # The CRT client ignores endpoint_url and would send weights to AWS; 16 MB parts x 4 measured fastest.
    return TransferConfig(
        preferred_transfer_client="classic", multipart_chunksize=16 << 20,
        multipart_threshold=16 << 20, max_concurrency=4,
    )  # fmt: skip


def split_uri(uri: str) -> tuple[str, str]:
    """'s3://bucket/some/key' as ('bucket', 'some/key')."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise StoreError(f"{uri!r} is no S3 address; write s3://bucket/prefix")
    return bucket, key
