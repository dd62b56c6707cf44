"""Uploads in parts that nobody ended: the store keeps their parts, and bills them, until somebody does."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from infra.multipart import abort_upload, is_gone
from infra.s3 import translated


@dataclass(frozen=True)
class Unfinished:
    bucket: str
    key: str
    """With the model's prefix."""
    upload: str
    bytes: int
    """Of the parts that are there."""
    modified: datetime
    """When the last of them came, or when it began."""

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def list_unfinished(client: Any, bucket: str, prefix: str, *, before: datetime) -> list[Unfinished]:
    """Below a prefix, those that nobody went on with since."""
    with translated(f"s3://{bucket}/{prefix}"):
        return [found for found in _old(client, bucket, prefix, before) if found.modified < before]


def _old(client: Any, bucket: str, prefix: str, before: datetime) -> Iterator[Unfinished]:
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        for upload in page.get("Uploads", []):
            # A server that ignores the prefix must not make us abort another model's.
            if upload["Key"].startswith(prefix) and upload["Initiated"] < before:
                yield from _looked_at(client, bucket, upload)


def _looked_at(client: Any, bucket: str, upload: dict[str, Any]) -> Iterator[Unfinished]:
    names = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
    size, modified = 0, upload["Initiated"]
    try:
        for page in client.get_paginator("list_parts").paginate(**names):
            for part in page.get("Parts", []):
                size, modified = size + part["Size"], max(modified, part["LastModified"])
    except ClientError as problem:
        if not is_gone(problem):
            raise
        return  # ended in the meantime
    yield Unfinished(bucket, upload["Key"], upload["UploadId"], size, modified)


def abort_unfinished(client: Any, found: Unfinished) -> None:
    """Its parts are deleted. Whoever would still go on with it is told that it is gone, and begins anew."""
    with translated(found.uri):
        abort_upload(client, {"Bucket": found.bucket, "Key": found.key, "UploadId": found.upload})
