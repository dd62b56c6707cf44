"""The store of a dry run: reads fall through to the real one, writes stay in a temporary folder."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from errors import KeyTaken
from infra.copying import Duplicate
from infra.files import Located, Stored, corrupt, sha256_of
from infra.keys import NAMED
from infra.object_store import ObjectStore
from infra.sending import Outgoing


class OverlayStore(ObjectStore):
    """Behaves like the store below it, which never changes."""

    def __init__(self, below: ObjectStore, folder: Path) -> None:
        super().__init__(below.client, below.bucket, prefix=below.prefix, cache=folder / "cache")
        self.cache.mkdir(parents=True)
        self.release_keys, self.api_keys = below.release_keys, below.api_keys
        self.below, self.written = below, folder / "written"

    def put_bytes(self, key: str, data: bytes, *, if_absent: bool = False) -> None:
        if if_absent and self.exists(key):
            raise KeyTaken(f"{self.uri(key)}: already written by another run")
        target = self.written / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def get_bytes(self, key: str) -> bytes:
        own = self.written / key
        return own.read_bytes() if own.is_file() else self.below.get_bytes(key)

    def get_used(self, key: str) -> bytes:
        return self.get_bytes(key)

    def exists(self, key: str) -> bool:
        return (self.written / key).is_file() or self.below.exists(key)

    def list_keys(self, prefix: str, *, limit: int | None = None, named: re.Pattern[str] = NAMED) -> list[str]:
        files = (p for p in self.written.rglob("*") if p.is_file() and named.fullmatch(p.name))
        own = {str(p.relative_to(self.written)) for p in files}
        below = set(self.below.list_keys(prefix, limit=limit, named=named))
        return sorted({key for key in own if key.startswith(prefix)} | below)[:limit]

    def delete(self, key: str) -> None:
        (self.written / key).unlink(missing_ok=True)

    def put_files(self, files: Sequence[Outgoing]) -> list[Stored]:
        for file in files:
            target = self.written / self.key_of(file.uri)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, target)
        return [Stored(file.uri, self.hashes.of(file.path), file.path.stat().st_size) for file in files]

    def copy_files(self, files: Sequence[Duplicate]) -> None:
        for file in files:
            own, target = (self.written / self.key_of(uri) for uri in (file.source, file.target))
            target.parent.mkdir(parents=True, exist_ok=True)
            if own.is_file():
                shutil.copyfile(own, target)
            else:
                self.below.fetch_uri(file.source, target)

    def get_file(self, located: Located) -> Path:
        own = self.written / located.uri.removeprefix(self.uri(""))
        if not own.is_file():
            return super().get_file(located)
        if (found := sha256_of(own)) != located.sha256:
            raise corrupt(located.uri, found=found, recorded=located.sha256)
        return own


@contextmanager
def overlay(below: ObjectStore) -> Iterator[OverlayStore]:
    with TemporaryDirectory(prefix="upkeep-dry-") as folder:
        yield OverlayStore(below, Path(folder))
