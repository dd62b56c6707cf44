"""Local files into the store: each is read once, and hashed while its parts are on their way."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import StoreError
from infra.files import Stored
from infra.hashing import Hashes, Stamp
from infra.multipart import Multipart, abort_forgotten
from infra.progress import Advance
from infra.s3 import split_uri, translated
from infra.transfer import PART, Span, Workers, shown, spans, working, writers


@dataclass(frozen=True)
class Outgoing:
    """`sha256`: what the file must have; None where that is not known before."""

    uri: str
    path: Path
    sha256: str | None = None


def send_files(client: Any, files: Sequence[Outgoing], *, memory: Path, hashes: Hashes) -> list[Stored]:
    """Uploads files, all at once; what of each was sent. An upload that was killed goes on where it was: its id is in `memory`,
    and the parts that the store has are held against the file and not sent again."""
    abort_forgotten(client, memory)
    sizes = [file.path.stat().st_size for file in files]
    order = sorted(range(len(files)), key=lambda i: -sizes[i])  # the small ones fill the gaps at the end
    found: dict[int, Stored] = {}
    with shown("sending", sum(sizes)) as advance, working(writers(client)) as workers:
        for i in order:
            found[i] = _Sender(client, files[i], hashes, workers, advance).send(memory)
    return [found[i] for i in range(len(files))]


class _Sender:
    """One file. Its last part leaves only after the file was seen to be unchanged."""

    def __init__(self, client: Any, file: Outgoing, hashes: Hashes, workers: Workers, advance: Advance) -> None:
        self.client, self.file, self.hashes, self.workers, self.advance = client, file, hashes, workers, advance
        self.bucket, self.key = split_uri(file.uri)
        self.stamp = Stamp.of(file.path)
        self.settled = self.stamp.is_settled
        self.known = hashes.recall(file.path)
        self.digest = hashlib.sha256()

    def send(self, memory: Path) -> Stored:
        with self.file.path.open("rb") as opened:
            cut = spans(self.stamp.size, part=PART)
            if self.stamp.size <= PART:
                body = b"".join(self._read(opened.fileno(), span) for span in cut)
                sha256 = self._checked()
                self.workers.submit(self._put, body)
            else:
                sha256 = self._send_parts(opened.fileno(), cut, memory)
        if self.settled:
            self.hashes.remember(self.file.path, self.stamp, sha256)
        return Stored(self.file.uri, sha256, self.stamp.size)

    def _send_parts(self, opened: int, cut: list[Span], memory: Path) -> str:
        with translated(self.file.uri):
            upload = Multipart(self.client, self.file.uri, count=len(cut), memory=memory)
        self.workers.at_end(upload.leave)
        sha256 = ""
        for span in cut:
            body = self._read(opened, span, upload)
            if span is cut[-1]:
                sha256 = self._checked(upload)
            self.workers.submit(self._put_part, upload, span, body)
        return sha256

    def _read(self, opened: int, span: Span, upload: Multipart | None = None) -> bytes:
        body = os.pread(opened, span.length, span.start)
        if len(body) != span.length:
            raise self._changed(upload)
        if self.known is None:
            self.digest.update(body)
        return body

    def _checked(self, upload: Multipart | None = None) -> str:
        """The SHA-256, once all was read: of bytes that belong together, and that were asked for."""
        sha256 = self.known or self.digest.hexdigest()
        if self._is_as_it_was() and self.file.sha256 in {None, sha256}:
            return sha256
        raise self._changed(upload)

    def _is_as_it_was(self) -> bool:
        try:
            return Stamp.of(self.file.path) == self.stamp
        except FileNotFoundError:
            return False

    def _changed(self, upload: Multipart | None) -> StoreError:
        if upload:
            self.workers.at_end(upload.abort)  # once no part is on its way any more
        return StoreError(f"{self.file.path} was changed while it was being sent to {self.file.uri}; nothing was stored. "
                          "Run again once nobody writes to it")  # fmt: skip

    def _put(self, body: bytes) -> None:
        with translated(self.file.uri):
            # boto adds a CRC32, which the store holds against what arrives.
            self.client.put_object(Bucket=self.bucket, Key=self.key, Body=body)
        self.advance(len(body))

    def _put_part(self, upload: Multipart, span: Span, body: bytes) -> None:
        with translated(self.file.uri):
            upload.put(span.number, body)
        self.advance(len(body))
