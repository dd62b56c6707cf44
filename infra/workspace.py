"""Opens the store of one model: the bucket that the settings name, or Upkeep's own server on loopback."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from errors import SpecError, StoreError
from infra.api_keys import ApiKeys
from infra.encryption import Encrypted, encrypt_writes
from infra.lasting import let_writes_last
from infra.object_store import ObjectStore, connect
from infra.overlay import overlay
from infra.progress_artifact import unshown
from infra.release_keys import read_release_keys
from infra.s3 import name_place
from infra.settings import Settings, read_settings
from infra.tidying import tidy
from infra.unread import outlive_readers

EMBEDDED = "the embedded server of this home"
_JOB = re.compile(r"^s3://.*?models/([^/]+)/jobs/[^/]+/job\.json$")


@dataclass(frozen=True)
class Workspace:
    """A model's store, the local folder for its working files, and the work pool that trains, where there is one."""

    store: ObjectStore
    home: Path
    gpu_pool: str | None = None
    gpu_from_rows: int = 0
    """It also scores windows of at least so many rows."""


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
    settings = read_settings()
    with _opened(settings.home_for(spec_path), settings, model=spec.name) as workspace:
        protect(workspace, spec)
        if not dry_run:
            yield workspace
            return
        with unshown(), overlay(workspace.store) as store:
            yield replace(workspace, store=store)


@contextmanager
def open_job_workspace(job: str, home: Path) -> Iterator[Workspace]:
    """The store of the model that a job's address names, on a worker that has no spec yet: `protect` follows."""
    settings = read_settings()
    with _opened((settings.home or home).resolve(), settings, model=model_of(job)) as workspace:
        yield workspace


def protect(workspace: Workspace, spec: Stored) -> None:
    """From here on writes are encrypted, and signatures demanded, as the spec says; and hosted models have their keys."""
    settings = read_settings()
    workspace.store.release_keys = read_release_keys(settings, required=spec.release.require_signature)
    workspace.store.api_keys = ApiKeys(settings.api_key, settings.api_keys)
    encrypt_writes(workspace.store.client, spec.storage)


def model_of(job: str) -> str:
    """The name of the model that a job's address belongs to, whatever stands before its part of the bucket."""
    found = _JOB.search(job)
    if found is None:
        raise StoreError(f"{job!r} is no object of a model's store; it should look like "
                         "s3://BUCKET/…models/NAME/jobs/…/job.json")  # fmt: skip
    return found[1]


@contextmanager
def _opened(home: Path, settings: Settings, *, model: str) -> Iterator[Workspace]:
    from infra.local_store import BUCKET, held_in, local_store

    _require_bucket(settings)
    outlive_readers()
    tidy(home, copies=timedelta(days=settings.cache_days))
    prefix, cache = f"{settings.s3_prefix}models/{model}/", home / "cache"
    if settings.s3_bucket:
        yield Workspace(_external(settings, prefix, cache), home, settings.gpu_pool, settings.gpu_from_rows)
        return
    with local_store(home / "store") as server:
        store = connect(
            bucket=BUCKET, prefix=prefix, cache=cache, endpoint_url=server.url, region="us-east-1",
            access_key=server.access_key, secret_key=server.secret_key,
        )  # fmt: skip
        name_place(store.client, EMBEDDED)  # each start has another port
        let_writes_last(store.client, held_in(home / "store"))
        yield Workspace(store, home, settings.gpu_pool, settings.gpu_from_rows)


def _require_bucket(settings: Settings) -> None:
    """Whoever names a server or its keys does not mean the embedded one: that keeps releases on this machine."""
    given = {
        "UPKEEP_S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "UPKEEP_S3_ACCESS_KEY": settings.s3_access_key,
        "UPKEEP_S3_SECRET_KEY": settings.s3_secret_key,
        "UPKEEP_S3_DATA": settings.s3_data,
    }
    for name in given:
        if given[name] and not settings.s3_bucket:
            raise SpecError(f"{name} is set, and UPKEEP_S3_BUCKET is not: name the bucket; or unset what is set of the store, "
                            "for Upkeep's own on this machine")  # fmt: skip


def _external(settings: Settings, prefix: str, cache: Path) -> ObjectStore:
    keys = (settings.s3_access_key, settings.s3_secret_key)
    access, secret = (key.get_secret_value() if key else None for key in keys)
    store = connect(
        bucket=str(settings.s3_bucket), prefix=prefix, cache=cache, endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region, access_key=access, secret_key=secret, single_writer=settings.s3_single_writer,
    )  # fmt: skip
    if settings.s3_data:
        let_writes_last(store.client, settings.s3_data)
    return store
