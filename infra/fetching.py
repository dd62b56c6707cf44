"""Objects into local files: all spans of all files at once, each file of one object version, verified before it appears."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from errors import FullDisk, SpecError, StoreError
from infra.arrival import PIECE, Arrival
from infra.files import corrupt, sha256_of
from infra.progress import Advance
from infra.s3 import read_whole, split_uri, translated
from infra.transfer import Span, Workers, readers, shown, spans, working

OPEN = 100
"""Files that are open at once."""


@dataclass(frozen=True)
class Incoming:
    """`sha256`: what was recorded; None for an object of which nothing is known."""

    uri: str
    target: Path
    sha256: str | None = None


@dataclass(frozen=True)
class _Version:
    """The one version of an object that all its spans must come from."""

    bucket: str
    key: str
    etag: str
    size: int


def fetch_files(client: Any, files: Sequence[Incoming], *, lasting: bool = False) -> None:
    """Each file appears whole, or not at all. What a killed process had fetched is not fetched again; a target that has
    the recorded content already is left alone. `lasting`: whole also after a power cut, for who will not look again.

    Raises CorruptObject where the content is not what was recorded, StoreError where an object is replaced meanwhile,
    SpecError where a target is a folder.
    """
    for file in files:
        if file.target.is_dir():
            raise SpecError(f"{file.target} is a folder, and {file.uri} is to become a file there: give another name, or move the "
                            "folder away")  # fmt: skip
    missing = [file for file in files if not _is_there(file)]
    with working() as workers:
        looked = [workers.submit(_look, client, file.uri) for file in missing]
        found = [(file, future.result()) for file, future in zip(missing, looked, strict=True)]
    with shown("fetching", sum(version.size for _, version in found)) as advance:
        for at in range(0, len(found), OPEN):
            again = _fetch(client, found[at : at + OPEN], lasting, advance)
            _fetch(client, again, lasting, lambda _: None)


def _is_there(file: Incoming) -> bool:
    return file.sha256 is not None and file.target.is_file() and sha256_of(file.target) == file.sha256


def _look(client: Any, uri: str) -> _Version:
    bucket, key = split_uri(uri)
    with translated(uri):
        head = client.head_object(Bucket=bucket, Key=key)
    return _Version(bucket, key, head.get("ETag", ""), _length(head, uri))


def _length(answer: dict[str, Any], uri: str) -> int:
    if "ContentLength" not in answer:
        raise StoreError(f"{uri}: the store's answer does not say how long it is (no Content-Length), as where a proxy before it packs "
                         "or cuts up what passes. Nothing was fetched; let the proxy pass answers on as they are, or name the "
                         "store itself (UPKEEP_S3_ENDPOINT_URL), and run again")  # fmt: skip
    return int(answer["ContentLength"])


def _fetch(
    client: Any, found: list[tuple[Incoming, _Version]], lasting: bool, advance: Advance
) -> list[tuple[Incoming, _Version]]:
    """Those are returned that must be fetched anew, since what an earlier process had left of them was no good."""
    again: list[tuple[Incoming, _Version]] = []
    with _opened(found) as arrivals, working(readers(client)) as workers:
        coming = [_begin(client, version, arrival, workers, advance)
                  for (_, version), arrival in zip(found, arrivals, strict=True)]  # fmt: skip
        for (file, version), arrival, spans_of in zip(found, arrivals, coming, strict=True):
            sha256 = _hashed(arrival, spans_of)
            if file.sha256 in {None, sha256}:
                arrival.appear(lasting=lasting)
                continue
            arrival.discard()
            if not arrival.resumed:
                raise corrupt(file.uri, found=sha256, recorded=str(file.sha256))
            again.append((file, version))
    return again


@contextmanager
def _opened(found: list[tuple[Incoming, _Version]]) -> Iterator[list[Arrival]]:
    arrivals: list[Arrival] = []
    try:
        for file, version in found:
            arrivals.append(Arrival(file.target, uri=file.uri, etag=version.etag, size=version.size))
        yield arrivals
    except FullDisk:
        for arrival in arrivals:
            arrival.discard()
        raise
    finally:
        for arrival in arrivals:
            arrival.close()


Coming = list[tuple[Span, "Future[None] | None"]]


def _begin(client: Any, version: _Version, arrival: Arrival, workers: Workers, advance: Advance) -> Coming:
    coming: Coming = []
    for span in spans(version.size):
        if span.number in arrival.arrived:
            coming.append((span, None))
            advance(span.length)
        else:
            coming.append((span, workers.submit(_fetch_span, client, version, span, arrival, advance)))
    return coming


def _hashed(arrival: Arrival, coming: Coming) -> str:
    """In the order of the file, while later spans arrive; what was just written is still in the page cache."""
    digest = hashlib.sha256()
    for span, future in coming:
        if future:
            future.result()
        for piece in arrival.read(span):
            digest.update(piece)
    return digest.hexdigest()


def _fetch_span(client: Any, version: _Version, span: Span, arrival: Arrival, advance: Advance) -> None:
    wanted: dict[str, str] = {"IfMatch": version.etag} if version.etag else {}
    if span.length != version.size:
        wanted["Range"] = f"bytes={span.start}-{span.start + span.length - 1}"
    get = partial(client.get_object, Bucket=version.bucket, Key=version.key, **wanted)
    with translated(arrival.uri):
        read_whole(lambda: _asked(get, version, arrival), lambda answer: _write_span(answer, span, arrival))
    arrival.finish(span)
    advance(span.length)


def _asked(get: Callable[[], dict[str, Any]], version: _Version, arrival: Arrival) -> dict[str, Any]:
    """The answer to a request for a span, which must be of the one version."""
    try:
        answer = get()
    except ClientError as problem:
        if problem.response["ResponseMetadata"]["HTTPStatusCode"] == 412:
            raise _replaced(arrival) from problem
        raise
    if answer.get("ETag", "") != version.etag:
        raise _replaced(arrival)
    return answer


def _write_span(answer: dict[str, Any], span: Span, arrival: Arrival) -> None:
    at, announced = span.start, _length(answer, arrival.uri)
    if announced == span.length:
        for chunk in answer["Body"].iter_chunks(PIECE):
            arrival.write(chunk, at)
            at += len(chunk)
    if at - span.start != span.length:
        raise StoreError(
            f"{arrival.uri}: {span.length:,} bytes from {span.start:,} on were asked for, and the store announced "
            f"{announced:,} and sent {at - span.start:,}: it, or a proxy before it, does not keep ranges or "
            f"cuts answers off. {arrival.target} was not made; run again, and look at the store where it happens again."
        )


def _replaced(arrival: Arrival) -> StoreError:
    return StoreError(f"{arrival.uri} was replaced while it was being fetched; {arrival.target} was not made, run again to "
                      "fetch what is there now")  # fmt: skip
