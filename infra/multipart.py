"""One object written in parts. A process that is killed leaves an upload that the next one goes on with, by its note, or aborts,
since the store keeps its parts, and their price."""

import base64
import hashlib
import logging
import threading
import time
import zlib
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from errors import redacted
from infra.absent import is_denied
from infra.encryption import encryption_of
from infra.s3 import place_of, split_uri
from infra.upload_notes import Note, note_path

LOG = logging.getLogger(__name__)
FORGOTTEN_SECONDS = 24 * 3600.0
"""An upload that nobody went on with for so long is aborted."""


class Multipart:
    """An upload that is complete when the last of its `count` parts is. `there`: part number -> (bytes, ETag) of what
    the store has from an earlier try. `copied`: its parts are copied inside the store; of others it is told the CRC32, as
    boto3's own transfers do: that there will be some as it begins, each with its part, and all of them at the end. (Until the end
    of 2024 AWS refused a part with a checksum of which the upload's beginning had not told.)"""

    def __init__(self, client: Any, uri: str, *, count: int, memory: Path, copied: bool = False) -> None:
        self.client, self.count = client, count
        self.bucket, self.key = split_uri(uri)
        self.checksum = "" if copied or client.meta.config.request_checksum_calculation != "when_supported" else "CRC32"
        self._asked = {"checksum": self.checksum, "encryption": encryption_of(client)}
        self._parts: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self.there: dict[int, tuple[int, str]] = {}
        self._note = Note(note_path(client, uri, memory))
        try:
            self.upload_id = self._resumed() or self._begun()
        except BaseException:
            self.leave()
            raise

    def _resumed(self) -> str | None:
        note = self._note.read()
        upload = note.get("upload") if all(note.get(name, "") == asked for name, asked in self._asked.items()) else None
        if upload:
            try:
                pages = self.client.get_paginator("list_parts").paginate(**self._names(upload))
                for page in pages:
                    self.there |= {p["PartNumber"]: (p["Size"], p["ETag"].strip('"')) for p in page.get("Parts", [])}
            except ClientError as problem:
                # Ceph says of one that is gone that it is denied; where all is, so is a new one.
                if not (is_gone(problem) or is_denied(problem)):
                    raise
                self.there = {}  # what was listed before it ended
                return None
            self._note.touch()
        return upload

    def _begun(self) -> str:
        told = {"ChecksumAlgorithm": self.checksum} if self.checksum else {}
        upload = str(self.client.create_multipart_upload(Bucket=self.bucket, Key=self.key, **told)["UploadId"])
        self._note.write({"endpoint": place_of(self.client), "bucket": self.bucket, "key": self.key,
                          "upload": upload, **self._asked})  # fmt: skip
        return upload

    def put(self, number: int, body: bytes) -> None:
        """Sends a part, unless the store has it."""
        told = {"ChecksumCRC32": _crc32(body)} if self.checksum else {}
        etag = self._etag_there(number, body)
        if not etag:
            etag = self.client.upload_part(**self._names(), PartNumber=number, Body=body, **told)["ETag"]
        self.done(number, etag, **told)

    def _etag_there(self, number: int, body: bytes) -> str:
        """Empty where the store lacks this part. An ETag that is no MD5 (under KMS) matches nothing: it is sent."""
        size, etag = self.there.get(number, (-1, ""))
        return etag if size == len(body) and etag == hashlib.md5(body, usedforsecurity=False).hexdigest() else ""

    def copy(self, number: int, **source: Any) -> None:
        answer = self.client.upload_part_copy(**self._names(), PartNumber=number, **source)
        self.done(number, answer["CopyPartResult"]["ETag"])

    def done(self, number: int, etag: str, **told: str) -> None:
        """Counts a part; the last one completes the object."""
        quoted = '"' + etag.strip('"') + '"'
        with self._lock:
            self._parts[number] = {"PartNumber": number, "ETag": quoted, **told}
            last = len(self._parts) == self.count
            self._note.touch()
        if last:
            self._complete()

    def _complete(self) -> None:
        parts = [self._parts[number] for number in sorted(self._parts)]
        try:
            self.client.complete_multipart_upload(**self._names(), MultipartUpload={"Parts": parts})
        except ClientError as problem:
            if not (is_gone(problem) and self._is_there([part["ETag"].strip('"') for part in parts])):
                raise  # else it was completed, and the answer was lost
        self._note.forget()

    def _is_there(self, etags: list[str]) -> bool:
        """Whether the object is the one of these parts, as far as the store's ETags can tell: they may be no MD5."""
        try:
            joined = b"".join(map(bytes.fromhex, etags))
            head = self.client.head_object(Bucket=self.bucket, Key=self.key)
        except (ValueError, ClientError):
            return False
        expected = f'"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{self.count}"'
        return bool(head.get("ETag") == expected)

    def abort(self) -> None:
        """Where that fails, who comes after a day does it, unless somebody goes on with it before."""
        if _try_to_abort(self.client, self._names()):
            self._note.forget()

    def leave(self) -> None:
        """Lets another process go on."""
        self._note.close()

    def _names(self, upload: str | None = None) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key, "UploadId": upload or self.upload_id}


def abort_forgotten(client: Any, memory: Path) -> int:
    """Aborts the uploads to this store that nobody went on with for a day; how many there were."""
    old = [path for path in memory.glob("*.json") if time.time() - _modified(path) > FORGOTTEN_SECONDS]
    return sum(_abort_noted(client, Note(path)) for path in old)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # complete in the meantime
        return time.time()


def _abort_noted(client: Any, note: Note) -> bool:
    found = note.read()
    try:
        if not found:  # it could not be begun, or was cut off
            note.forget()
        if found.get("endpoint") != place_of(client):
            return False
        aborted = _try_to_abort(client, {"Bucket": found["bucket"], "Key": found["key"], "UploadId": found["upload"]})
        if aborted:
            note.forget()
    finally:
        note.close()
    return aborted


def _try_to_abort(client: Any, names: dict[str, str]) -> bool:
    """Whether it is; else that is told by a warning."""
    try:
        abort_upload(client, names)
    except (BotoCoreError, ClientError) as problem:  # nobody answers, or it is another role's, who will abort it
        LOG.warning("s3://%s/%s: an upload that was given up could not be aborted: %s", names["Bucket"], names["Key"],
                    redacted(str(problem)))  # fmt: skip
        return False
    return True


def abort_upload(client: Any, names: dict[str, str]) -> None:
    try:
        client.abort_multipart_upload(**names)
    except ClientError as problem:
        if not is_gone(problem):
            raise


def is_gone(problem: ClientError) -> bool:
    return problem.response.get("Error", {}).get("Code") in {"NoSuchUpload", "NoSuchKey", "404"}


def _crc32(body: bytes) -> str:
    """As S3 writes it: base64 of four bytes."""
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
