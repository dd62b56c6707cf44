"""The files of an object store: sent, fetched and copied in parallel, verified, and gone on with after an interruption."""

import itertools
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from errors import CorruptObject
from infra.copying import Duplicate, copy_files
from infra.fetching import Incoming, fetch_files
from infra.files import CHUNK, Entry, Located, Stored, draft_of, folder_digest, force_to_disk, sha256_of_chunks
from infra.hashing import Hashes
from infra.keys import NAMED, Keys
from infra.s3 import read_object, split_uri, translated
from infra.sending import Outgoing, send_files
from infra.tidying import draft, make_room, touch_copy

LOG = logging.getLogger(__name__)


class StoredFiles(ABC):
    """What an object store does with files. Arguments for every write, such as encryption, are the client's
    (infra/encryption.py)."""

    keys = Keys()
    client: Any
    cache: Path
    hashes: Hashes

    @abstractmethod
    def uri(self, key: str) -> str: ...

    @abstractmethod
    def list_keys(self, prefix: str, *, limit: int | None = None, named: re.Pattern[str] = NAMED) -> list[str]: ...

    @property
    def work(self) -> Path:
        """Local files of unfinished stages: checkpoints, half-written tables."""
        folder = self.cache.parent / "work"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def draft(self, prefix: str) -> AbstractContextManager[Path]:
        """A local folder for what is under way; it goes at the end, also of a process that is killed."""
        return draft(self.work, prefix)

    @property
    def _uploads(self) -> Path:
        """Remembers the uploads that are under way."""
        folder = self.work / "uploads"
        folder.mkdir(exist_ok=True)
        return folder

    # --- into the store ---

    def put_files(self, files: Sequence[Outgoing]) -> list[Stored]:
        """Uploads files, all at once."""
        return send_files(self.client, files, memory=self._uploads, hashes=self.hashes)

    def put_file(self, key: str, path: Path, *, sha256: str | None = None) -> Stored:
        """Uploads a file; StoreError where it does not have the SHA-256 that is given."""
        return self.put_files([Outgoing(self.uri(key), path, sha256)])[0]

    def put_blob(self, kind: str, path: Path) -> Stored:
        """Uploads a file under its own digest; a file that is there already is not sent again, unless `upkeep gc` has
        given it up (tasks/registry/blobs.py)."""
        sha256 = self.hashes.of(path)
        there = set(self.list_keys(self.keys.blob(kind, sha256, "")))
        editions = (self.keys.blob(kind, sha256, "".join(path.suffixes), edition=n) for n in itertools.count())
        key = next(key for key in editions if key + self.keys.given_up not in there)
        if key not in there:
            return self.put_file(key, path, sha256=sha256)
        return Stored(self.uri(key), sha256, path.stat().st_size)

    def copy_files(self, files: Sequence[Duplicate]) -> None:
        """Copies inside the store, all at once, without sending the bytes again."""
        copy_files(self.client, files, memory=self._uploads)

    # --- out of the store ---

    def get_file(self, located: Located) -> Path:
        """A verified local copy. It belongs to the cache: read it, never write to it."""
        copy = self.cache / located.sha256
        if not (touch_copy(copy) and _as_fetched(copy, copy.is_file() and self.hashes.of(copy) == located.sha256)):
            fetch_files(self.client, [Incoming(located.uri, copy, located.sha256)], lasting=True)
        return copy

    def get_folder(self, prefix: str, files: Sequence[Entry]) -> Path:
        """A verified local copy of the files below a key, in the cache under the digest of them all: two records that
        name the same content and list different files never share a copy."""
        folder, digest = self._cached(files)
        if not (touch_copy(folder) and _as_fetched(folder, self._is_copy(folder, files))):
            with draft_of(folder, digest) as part:
                if not self._is_copy(folder, files):  # made by another process while this one waited
                    self.download_folder(prefix, files, part, lasting=True)
                    make_room(folder)
                    part.replace(folder)
        return folder

    def _is_copy(self, folder: Path, files: Sequence[Entry]) -> bool:
        """Whether these files are there and no others, nor a pipe, which would be waited for. Each process hashes them once."""
        if not all((folder / file.path).is_file() for file in files):
            return False
        try:
            there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()}
            found = self.hashes.of_all([folder / file.path for file in files])
        except FileNotFoundError:  # one is missing, or another process takes the folder away
            return False
        return folder.is_dir() and there == {f.path for f in files} and found == [f.sha256 for f in files]

    def keep_folder(self, made: Path, files: Sequence[Entry]) -> None:
        """Takes files that were just stored into the cache, from a folder of one's own, so that nobody fetches them back."""
        folder, digest = self._cached(files)
        with draft_of(folder, digest) as part:
            if not folder.exists() and not any(part.iterdir()):
                for file in files:
                    force_to_disk(made / file.path)
                    (made / file.path).replace(part / file.path)
                part.replace(folder)

    def _cached(self, files: Sequence[Entry]) -> tuple[Path, str]:
        digest = folder_digest(files)
        return self.cache / "folders" / digest, digest

    def download_folder(self, prefix: str, files: Iterable[Entry], target: Path, *, lasting: bool = False) -> None:
        """Verified copies of the files below a key; `lasting`: as `fetch_files` has it."""
        target.mkdir(parents=True, exist_ok=True)
        coming = [Incoming(self.uri(prefix + f.path), target / f.path, f.sha256) for f in files]
        fetch_files(self.client, coming, lasting=lasting)

    def download(self, located: Located, target: Path) -> None:
        """A verified copy of one's own."""
        fetch_files(self.client, [Incoming(located.uri, target, located.sha256)])

    def fetch_uri(self, uri: str, target: Path) -> None:
        """Downloads any object that the credentials may read."""
        fetch_files(self.client, [Incoming(uri, target)])

    def is_whole(self, located: Located) -> bool:
        """Whether an object has the bytes that were recorded; they are read in portions and not kept."""
        bucket, key = split_uri(located.uri)
        try:
            with translated(located.uri):
                found = read_object(self.client, bucket, key, lambda body: sha256_of_chunks(body.iter_chunks(CHUNK)))
        except CorruptObject:  # not even what the store itself wrote down
            return False
        return found == located.sha256


def _as_fetched(copy: Path, whole: bool) -> bool:
    if not whole:
        LOG.warning("%s was changed on this machine since it was fetched, and is fetched anew", copy)
    return whole
