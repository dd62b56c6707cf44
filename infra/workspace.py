"""Opens the store of one model: the bucket that the settings name, or Upkeep's own server on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.encryption import Encrypted, encrypt_writes
from infra.object_store import ObjectStore, connect
from infra.overlay import overlay
from infra.progress_artifact import unshown
from infra.release_keys import read_release_keys
from infra.settings import Settings


@dataclass(frozen=True)
class Workspace:
    """A model's store and the local folder for its working files."""

    store: ObjectStore
    home: Path


class Stored(Protocol):
    """What a spec says of its store."""

    @property
    def name(self) -> str: ...
    @property
    def storage(self) -> Encrypted: ...
    @property
    def release(self) -> "Signed": ...


class Signed(Protocol):
    @property
    def require_signature(self) -> bool: ...


@contextmanager
def open_workspace(spec_path: Path, spec: Stored, *, dry_run: bool = False) -> Iterator[Workspace]:
    """With `dry_run`, nothing that is written outlives the context."""
    settings = Settings()
    keys = read_release_keys(settings, required=spec.release.require_signature)
    with _opened(spec_path, settings, model=spec.name) as workspace:
        encrypt_writes(workspace.store.client, spec.storage)
        workspace.store.release_keys = keys
        if not dry_run:
            yield workspace
            return
        with unshown(), overlay(workspace.store) as store:
            yield Workspace(store, workspace.home)


@contextmanager
def _opened(spec_path: Path, settings: Settings, *, model: str) -> Iterator[Workspace]:
    from infra.local_store import BUCKET, local_store

    home = settings.home_for(spec_path)
    prefix, cache = f"{settings.s3_prefix}models/{model}/", home / "cache"
    if settings.s3_bucket:
        yield Workspace(_external(settings, prefix, cache), home)
        return
    with local_store(home / "store") as server:
        store = connect(
            bucket=BUCKET, prefix=prefix, cache=cache, endpoint_url=server.url, region="us-east-1",
            access_key=server.access_key, secret_key=server.secret_key,
        )  # fmt: skip
        yield Workspace(store, home)


def _external(settings: Settings, prefix: str, cache: Path) -> ObjectStore:
    keys = (settings.s3_access_key, settings.s3_secret_key)
    access, secret = (key.get_secret_value() if key else None for key in keys)
    return connect(
        bucket=str(settings.s3_bucket), prefix=prefix, cache=cache, endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region, access_key=access, secret_key=secret, single_writer=settings.s3_single_writer,
    )  # fmt: skip
