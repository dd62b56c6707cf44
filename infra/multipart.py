"""One object written in parts. The upload's id is kept in a small local file until the object is there: a process that
is killed leaves an upload that the next one goes on with, or aborts, since the store keeps its parts, and their price."""

import fcntl
import hashlib
import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import BotoCoreError, ClientError

from errors import redacted
from infra.absent import is_denied
from infra.s3 import split_uri, translated

LOG = logging.getLogger(__name__)
FORGOTTEN_SECONDS = 24 * 3600.0
"""An upload that nobody went on with for so long is aborted."""


class Multipart:
    """An upload that is complete when the last of its `count` parts is. `there`: part number -> (bytes, ETag) of what
    the store has from an earlier try."""

    def __init__(self, client: Any, uri: str, *, count: int, size: int, memory: Path) -> None:
        self.client, self.uri, self.count, self.size = client, uri, count, size
        self.bucket, self.key = split_uri(uri)
        self._etags: dict[int, str] = {}
        self._lock = threading.Lock()
        self.there: dict[int, tuple[int, str]] = {}
        self._note = _Note(memory / f"{_name(client, uri)}.json")
        self.upload_id = self._resumed() or self._begun()

    def _resumed(self) -> str | None:
        upload = self._note.read().get("upload")
        if upload:
            try:
                pages = self.client.get_paginator("list_parts").paginate(**self._names(upload))
                for page in pages:
                    self.there |= {p["PartNumber"]: (p["Size"], p["ETag"].strip('"')) for p in page.get("Parts", [])}
            except ClientError as problem:
                if not (
                    is_gone(problem) or is_denied(problem)
                ):  # as Ceph says of one that is gone; else `_begun` is denied, too
                    raise
                self.there = {}  # what was listed before it ended
                return None
            self._note.touch()
        return upload

    def _begun(self) -> str:
        upload = str(self.client.create_multipart_upload(Bucket=self.bucket, Key=self.key)["UploadId"])
        self._note.write({"endpoint": self.client.meta.endpoint_url, "bucket": self.bucket, "key": self.key,
                          "upload": upload})  # fmt: skip
        return upload

    def has(self, number: int, body: bytes) -> bool:
        """Whether the store has this part already. An ETag that is no MD5 (under KMS) matches nothing: it is sent."""
        size, etag = self.there.get(number, (-1, ""))
        return size == len(body) and etag == hashlib.md5(body, usedforsecurity=False).hexdigest()

    def put(self, number: int, body: bytes) -> None:
        # boto adds a CRC32 of each part, which the store holds against what arrives.
        self.done(number, self.client.upload_part(**self._names(), PartNumber=number, Body=body)["ETag"])

    def copy(self, number: int, **source: Any) -> None:
        answer = self.client.upload_part_copy(**self._names(), PartNumber=number, **source)
        self.done(number, answer["CopyPartResult"]["ETag"])

    def done(self, number: int, etag: str) -> None:
        """Counts a part; the last one completes the object."""
        with self._lock:
            self._etags[number] = etag.strip('"')
            last = len(self._etags) == self.count
        if last:
            self._complete()

    def _complete(self) -> None:
        parts = [{"PartNumber": n, "ETag": f'"{etag}"'} for n, etag in sorted(self._etags.items())]
        try:
            self.client.complete_multipart_upload(**self._names(), MultipartUpload={"Parts": parts})
        except ClientError as problem:
            if not (is_gone(problem) and self._is_there()):  # completed, and the answer was lost
                raise
        self._note.forget()

    def _is_there(self) -> bool:
        """Whether the object is the one of these parts, as far as the store's ETags can tell: they may be no MD5."""
        try:
            joined = b"".join(bytes.fromhex(etag) for _, etag in sorted(self._etags.items()))
            head = self.client.head_object(Bucket=self.bucket, Key=self.key)
        except (ValueError, ClientError):
            return False
        expected = f'"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{self.count}"'
        return bool(head["ContentLength"] == self.size and head["ETag"] == expected)

    def abort(self) -> None:
        with translated(self.uri):
            abort_upload(self.client, self._names())
        self._note.forget()

    def leave(self) -> None:
        """Lets another process go on."""
        self._note.close()

    def _names(self, upload: str | None = None) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key, "UploadId": upload or self.upload_id}


class _Note:
    """The local file, locked while its upload is under way; without the lock it is another process', and only read as
    empty and never written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: IO[str] | None = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(self._file.fileno()).st_nlink == 0:  # its owner ended between the two lines above
                self.close()
        except BlockingIOError:
            self.close()

    def read(self) -> dict[str, str]:
        if self._file is None:
            return {}
        self._file.seek(0)
        try:
            found: dict[str, str] = json.loads(self._file.read())
        except json.JSONDecodeError:  # new, or killed while it was written
            return {}
        return found

    def write(self, upload: dict[str, str]) -> None:
        if self._file is not None:
            self._file.truncate(0)
            self._file.write(json.dumps(upload))
            self._file.flush()

    def touch(self) -> None:
        if self._file is not None:
            os.utime(self._file.fileno())

    def forget(self) -> None:
        if self._file is not None:
            self.path.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def abort_forgotten(client: Any, memory: Path) -> int:
    """Aborts the uploads to this store that nobody went on with for a day; how many there were."""
    old = [path for path in memory.glob("*.json") if time.time() - _modified(path) > FORGOTTEN_SECONDS]
    return sum(_abort_noted(client, _Note(path)) for path in old)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # complete in the meantime
        return time.time()


def _abort_noted(client: Any, note: _Note) -> bool:
    found = note.read()
    try:
        if found.get("endpoint") != client.meta.endpoint_url:
            return False
        abort_upload(client, {"Bucket": found["bucket"], "Key": found["key"], "UploadId": found["upload"]})
        note.forget()
    except (BotoCoreError, ClientError) as problem:  # nobody answers, or it is another role's, who will abort it
        LOG.warning("s3://%s/%s: an upload that was given up could not be aborted: %s", found["bucket"], found["key"],
                    redacted(str(problem)))  # fmt: skip
        return False
    finally:
        note.close()
    return True


def abort_upload(client: Any, names: dict[str, str]) -> None:
    try:
        client.abort_multipart_upload(**names)
    except ClientError as problem:
        if not is_gone(problem):
            raise


def is_gone(problem: ClientError) -> bool:
    return problem.response.get("Error", {}).get("Code") in {"NoSuchUpload", "NoSuchKey", "404"}


def _name(client: Any, uri: str) -> str:
    return hashlib.sha256(f"{client.meta.endpoint_url} {uri}".encode()).hexdigest()
