"""Copies inside the store: no byte passes through this machine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ReadTimeoutError

from infra.multipart import Multipart
from infra.progress import Advance
from infra.s3 import split_uri, translated
from infra.transfer import Span, Workers, shown, spans, working, writers

WHOLE = 5 << 30
"""The most that S3 copies by one request. By one, a store may let both objects share what it keeps (Ceph does: 480 MB in
0.2 s, and 3.7 in parts); a part it has to write."""
PART = 64 << 20
"""Of what is larger, or took a store that writes it longer than a client waits for an answer."""


@dataclass(frozen=True)
class Duplicate:
    source: str
    target: str
    """Both are s3:// addresses."""

    @property
    def origin(self) -> dict[str, str]:
        return dict(zip(("Bucket", "Key"), split_uri(self.source), strict=True))


@dataclass(frozen=True)
class _Looked:
    file: Duplicate
    bytes: int
    pinned: dict[str, str]
    """The source must still be the object that was looked at, where the store names its content."""


def copy_files(client: Any, files: Sequence[Duplicate], *, memory: Path) -> None:
    """All at once; MissingObject where a source is not there."""
    with working() as workers:
        looking = [workers.submit(_look, client, file) for file in files]
        found = sorted((future.result() for future in looking), key=lambda looked: -looked.bytes)
    with shown("copying in the store", sum(looked.bytes for looked in found)) as advance:
        left = _copy_whole(client, found, advance)
        with working(writers(client)) as workers:
            for looked in left:
                _copy_parts(client, looked, memory, workers, advance)


def _look(client: Any, file: Duplicate) -> _Looked:
    with translated(file.source):
        head: dict[str, Any] = client.head_object(**file.origin)
    return _Looked(file, head["ContentLength"], {"CopySourceIfMatch": head["ETag"]} if head.get("ETag") else {})


def _copy_whole(client: Any, files: Iterable[_Looked], advance: Advance) -> list[_Looked]:
    """Those that one request did not copy."""
    with working(writers(client)) as workers:
        copying = [(looked, workers.submit(_copied, client, looked, advance)) for looked in files]
    return [looked for looked, copied in copying if not copied.result()]


def _copied(client: Any, looked: _Looked, advance: Advance) -> bool:
    if looked.bytes > WHOLE:
        return False
    bucket, key = split_uri(looked.file.target)
    with translated(looked.file.target):
        try:
            client.copy_object(Bucket=bucket, Key=key, CopySource=looked.file.origin, **looked.pinned)
        except (BotoCoreError, ClientError) as problem:
            if not _took_too_long(problem, looked.bytes):
                raise
            return False
    advance(looked.bytes)
    return True


def _took_too_long(problem: Exception, size: int) -> bool:
    """Nobody answered in time: not the store, or, for a large file, not what stands before it, which may hang up or say 504."""
    if isinstance(problem, ClientError):
        return size > PART and problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
    return isinstance(problem, ReadTimeoutError) or (size > PART and isinstance(problem, HTTPClientError))


def _copy_parts(client: Any, looked: _Looked, memory: Path, workers: Workers, advance: Advance) -> None:
    cut, target = spans(looked.bytes, part=PART), looked.file.target
    with translated(target):
        upload = Multipart(client, target, count=len(cut), size=looked.bytes, memory=memory)
    workers.at_end(upload.leave)
    for span in cut:
        workers.submit(_copy_part, upload, span, looked, advance)


def _copy_part(upload: Multipart, span: Span, looked: _Looked, advance: Advance) -> None:
    with translated(looked.file.target):
        upload.copy(span.number, CopySource=looked.file.origin, **looked.pinned,
                    CopySourceRange=f"bytes={span.start}-{span.start + span.length - 1}")  # fmt: skip
    advance(span.length)
