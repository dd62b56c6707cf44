"""Copies inside the store: no byte passes through this machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.multipart import Multipart
from infra.progress import Advance
from infra.s3 import split_uri, translated
from infra.transfer import Span, Workers, shown, spans, working, writers

PART = 64 << 20
"""A request that copies more could take longer than a client waits for an answer."""


@dataclass(frozen=True)
class Duplicate:
    source: str
    target: str
    """Both are s3:// addresses."""

    @property
    def origin(self) -> dict[str, str]:
        return dict(zip(("Bucket", "Key"), split_uri(self.source), strict=True))


def copy_files(client: Any, files: Sequence[Duplicate], *, memory: Path) -> None:
    """All at once, large ones in parts; MissingObject where a source is not there."""
    with working() as workers:
        looked = [workers.submit(_look, client, file) for file in files]
        heads = [future.result() for future in looked]
    with (
        shown("copying in the store", sum(head["ContentLength"] for head in heads)) as advance,
        working(writers(client)) as workers,
    ):
        for file, head in sorted(zip(files, heads, strict=True), key=lambda pair: -pair[1]["ContentLength"]):
            if head["ContentLength"] <= PART:
                workers.submit(_copy, client, file, head, advance)
            else:
                _copy_parts(client, file, head, memory, workers, advance)


def _look(client: Any, file: Duplicate) -> dict[str, Any]:
    with translated(file.source):
        head: dict[str, Any] = client.head_object(**file.origin)
    return head


def _copy(client: Any, file: Duplicate, head: dict[str, Any], advance: Advance) -> None:
    bucket, key = split_uri(file.target)
    with translated(file.target):
        client.copy_object(Bucket=bucket, Key=key, CopySource=file.origin, **_pinned(head))
    advance(head["ContentLength"])


def _copy_parts(
    client: Any, file: Duplicate, head: dict[str, Any], memory: Path, workers: Workers, advance: Advance
) -> None:
    size = head["ContentLength"]
    cut = spans(size, part=PART)
    with translated(file.target):
        upload = Multipart(client, file.target, count=len(cut), size=size, memory=memory)
    workers.at_end(upload.leave)
    for span in cut:
        workers.submit(_copy_part, upload, span, file, head, advance)


def _copy_part(upload: Multipart, span: Span, file: Duplicate, head: dict[str, Any], advance: Advance) -> None:
    with translated(file.target):
        upload.copy(span.number, CopySource=file.origin, **_pinned(head),
                    CopySourceRange=f"bytes={span.start}-{span.start + span.length - 1}")  # fmt: skip
    advance(span.length)


def _pinned(head: dict[str, Any]) -> dict[str, str]:
    """The source must still be the object that was looked at, where the store names its content."""
    return {"CopySourceIfMatch": head["ETag"]} if head.get("ETag") else {}
