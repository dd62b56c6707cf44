"""Copies inside the store: no byte passes through this machine."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ReadTimeoutError

from errors import KeyTaken, StoreError
from infra.multipart import Multipart
from infra.progress import Advance
from infra.s3 import split_uri, translated
from infra.transfer import Span, Workers, shown, spans, working, writers

WHOLE = 5 << 30
"""The most that S3 copies by one request. By one, a store may let both objects share what it keeps (docs/performance.md);
a part it has to write."""
PART = 64 << 20
"""Of what is larger, or took a store that writes it longer than a client waits for an answer."""
AWS = ("amazonaws.com", "amazonaws.com.cn")


@dataclass(frozen=True)
class Duplicate:
    source: str
    target: str
    """Both are s3:// addresses."""
    bytes: int

    @property
    def origin(self) -> dict[str, str]:
        return dict(zip(("Bucket", "Key"), split_uri(self.source), strict=True))

    def __str__(self) -> str:
        return f"{self.source} (to be copied to {self.target})"


def copy_files(client: Any, files: Sequence[Duplicate], *, memory: Path) -> None:
    """All at once, the largest first; MissingObject where a source is not there."""
    with shown("copying in the store", sum(file.bytes for file in files)) as advance:
        left = _copy_whole(client, sorted(files, key=lambda file: -file.bytes), advance)
        with working(writers(client)) as workers:
            for file in left:
                _copy_parts(client, file, memory, workers, advance)


def _most_by_one(client: Any) -> int:
    """How large a file one request shall copy. AWS writes a copy, and parts of it side by side: 4 GB took 72 s by one
    request and 20 s in parts (s3fs-fuse, pull request 940)."""
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    return PART if host.endswith(AWS) else WHOLE


def _copy_whole(client: Any, files: Sequence[Duplicate], advance: Advance) -> list[Duplicate]:
    """Those that one request did not copy. Of large ones no more are copied at once than are written."""
    room, most = BoundedSemaphore(writers(client)), _most_by_one(client)
    with working() as workers:
        copying = {file: workers.submit(_copied, client, file, room, advance) for file in files if file.bytes <= most}
    return [file for file in files if file not in copying or not copying[file].result()]


def _copied(client: Any, file: Duplicate, room: BoundedSemaphore, advance: Advance) -> bool:
    bucket, key = split_uri(file.target)
    with translated(str(file)), room if file.bytes > PART else nullcontext():
        try:
            client.copy_object(Bucket=bucket, Key=key, CopySource=file.origin)
        except (BotoCoreError, ClientError) as problem:
            if not _took_too_long(problem, file.bytes):
                raise
            return False
    advance(file.bytes)
    return True


def _took_too_long(problem: Exception, size: int) -> bool:
    """Nobody answered in time: not the store, or, for a large file, not what stands before it, which may hang up or say 504."""
    if isinstance(problem, ClientError):
        return size > PART and problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
    late = isinstance(problem, ReadTimeoutError) and size > 0  # an empty file has no parts
    return late or (size > PART and isinstance(problem, HTTPClientError))


def _copy_parts(client: Any, file: Duplicate, memory: Path, workers: Workers, advance: Advance) -> None:
    cut = spans(file.bytes, part=PART)
    with translated(str(file)):
        etag = client.head_object(**file.origin).get("ETag")
        upload = Multipart(client, file.target, count=len(cut), memory=memory, copied=True)
    workers.at_end(upload.leave)
    # All parts must be of one object, where the store names its content.
    source = {"CopySource": file.origin, **({"CopySourceIfMatch": etag} if etag else {})}
    for span in cut:
        workers.submit(_copy_part, upload, span, file, source, advance)


def _copy_part(upload: Multipart, span: Span, file: Duplicate, source: dict[str, Any], advance: Advance) -> None:
    try:
        with translated(str(file)):
            upload.copy(span.number, **source, CopySourceRange=f"bytes={span.start}-{span.start + span.length - 1}")
    except KeyTaken as problem:  # the condition is on the source
        raise StoreError(f"{file}: it was replaced meanwhile; run again, to copy what is there now") from problem
    advance(span.length)
