"""The object store: S3 through boto3, scoped to one model; every key is built here.

Blobs are named by their content, so writing one twice is harmless. What must be decided between writers
(a version's number, an alias' next generation, the end of a run) is written with `if_absent`.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from errors import CorruptObject, KeyTaken, MissingObject, StoreError

NEWEST_FIRST = 9_999_999_999
CHUNK = 1 << 20


@dataclass(frozen=True)
class Stored:
    """A file that is in the store."""

    uri: str
    sha256: str
    bytes: int


class Located(Protocol):
    """Anything that says where its bytes are and what they are: `Stored`, or a record's artifact."""

    @property
    def uri(self) -> str: ...
    @property
    def sha256(self) -> str: ...


class Entry(Protocol):
    """One file of a folder: its path below the folder, and its content."""

    @property
    def path(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def bytes(self) -> int: ...


class Keys:
    """Where things are, relative to the model's prefix."""

    open_run = "runs/open.json"
    history = "history/"
    claims = "claims/"
    versions = "versions/"
    requests = "requests/"
    labels = "labels/"

    def blob(self, kind: str, sha256: str, suffix: str) -> str:
        return f"blobs/{kind}/{sha256}{suffix}"

    def stage(self, stage: str, digest: str) -> str:
        return f"stages/{stage}/{digest}.json"

    def candidate(self, digest: str) -> str:
        return f"candidates/{digest}/"

    def claim(self, version: int) -> str:
        return f"{self.claims}{version:06d}.json"

    def version(self, version: int) -> str:
        return f"{self.versions}{version:06d}/"

    def manifest(self, version: int) -> str:
        return self.version(version) + "manifest.json"

    def alias(self, alias: str) -> str:
        return f"aliases/{alias}/"

    def generation(self, alias: str, generation: int) -> str:
        return f"{self.alias(alias)}{NEWEST_FIRST - generation:010d}.json"

    def run(self, run_id: str, name: str) -> str:
        return f"runs/{run_id}/{name}"

    def request(self, run_id: str) -> str:
        """The record of a labelling batch; run ids begin with the time, so the last key listed is the newest."""
        return f"{self.requests}{run_id}.json"

    def returned(self, number: int) -> str:
        """Labels that came back, newest first: where a label was corrected, the first row read is the right one."""
        return f"{self.labels}{NEWEST_FIRST - number:010d}.jsonl"

    def finished(self, sequence: int) -> str:
        return f"{self.history}{NEWEST_FIRST - sequence:010d}.json"


class ObjectStore:
    """One model's part of a bucket. `cache` keeps what was downloaded, by content."""

    keys = Keys()

    def __init__(self, client: Any, bucket: str, *, prefix: str, cache: Path) -> None:
        self.client, self.bucket, self.prefix, self.cache = client, bucket, prefix, cache
        self.timings: list[tuple[str, float, bool]] = []
        """(stage, seconds, reused) of this process, for the run's report."""

    # --- small objects ---

    def put_bytes(self, key: str, data: bytes, *, if_absent: bool = False) -> None:
        """Writes an object; with `if_absent` raises KeyTaken where there is one already."""
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if if_absent else {}
        with _translated(self.uri(key)):
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data, **condition)

    def get_bytes(self, key: str) -> bytes:
        with _translated(self.uri(key)):
            return self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()

    def exists(self, key: str) -> bool:
        try:
            with _translated(self.uri(key)):
                self.client.head_object(Bucket=self.bucket, Key=self.prefix + key)
        except MissingObject:
            return False
        return True

    def list_keys(self, prefix: str, *, limit: int | None = None) -> list[str]:
        """Keys below a prefix, relative to the model, in lexical order."""
        found: list[str] = []
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix + prefix, PaginationConfig={"MaxItems": limit}
        )
        with _translated(self.uri(prefix)):
            for page in pages:
                found += [item["Key"].removeprefix(self.prefix) for item in page.get("Contents", [])]
        return found

    def delete(self, key: str) -> None:
        with _translated(self.uri(key)):
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    # --- files ---

    def put_file(self, key: str, path: Path) -> Stored:
        """Uploads a file, in parallel parts where it is large."""
        with _translated(self.uri(key)):
            self.client.upload_file(str(path), self.bucket, self.prefix + key, Config=_transfer())
        return Stored(self.uri(key), sha256_of(path), path.stat().st_size)

    def put_blob(self, kind: str, path: Path) -> Stored:
        """Uploads a file under its own digest; a file that is there already is not sent again."""
        stored = Stored("", sha256_of(path), path.stat().st_size)
        key = self.keys.blob(kind, stored.sha256, "".join(path.suffixes))
        if not self.exists(key):
            self.put_file(key, path)
        return Stored(self.uri(key), stored.sha256, stored.bytes)

    def get_file(self, located: Located) -> Path:
        """A verified local copy. It belongs to the cache: read it, never write to it."""
        copy = self.cache / located.sha256
        if not copy.exists():
            with partial(copy) as part:
                self._download(located.uri, part)
                verify(part, located)
        return copy

    def get_folder(self, prefix: str, files: Iterable[Entry], digest: str) -> Path:
        """A verified local copy of the files below a key, in the cache under the digest of them all."""
        folder = self.cache / "folders" / digest
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
            try:
                self.download_folder(prefix, files, draft)
                draft.replace(folder)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        return folder

    def download_folder(self, prefix: str, files: Iterable[Entry], target: Path) -> None:
        """Verified copies of the files below a key."""
        for entry in files:
            located = Stored(self.uri(prefix + entry.path), entry.sha256, entry.bytes)
            self.download(located, target / entry.path)

    @property
    def work(self) -> Path:
        """Local files of unfinished stages: checkpoints, half-written tables."""
        folder = self.cache.parent / "work"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def download(self, located: Located, target: Path) -> None:
        """A verified copy of one's own."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial(target) as part:
            self._download(located.uri, part)
            verify(part, located)

    def copy(self, source_key: str, target_key: str) -> None:
        """Copies inside the store, without sending the bytes again."""
        origin = {"Bucket": self.bucket, "Key": self.prefix + source_key}
        with _translated(self.uri(target_key)):
            self.client.copy(origin, self.bucket, self.prefix + target_key, Config=_transfer())

    def _download(self, uri: str, target: Path) -> None:
        bucket, key = split_uri(uri)
        with _translated(uri):
            self.client.download_file(bucket, key, str(target), Config=_transfer())

    # --- anybody's objects, read only: data sources and model sources ---

    def list_uris(self, uri: str) -> Iterator[tuple[str, int]]:
        """(uri, bytes) of every object below an s3:// prefix, in lexical order."""
        bucket, prefix = split_uri(uri)
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        with _translated(uri):
            for page in pages:
                for item in page.get("Contents", []):
                    yield f"s3://{bucket}/{item['Key']}", item["Size"]

    def fetch_uri(self, uri: str, target: Path) -> None:
        """Downloads any object that the credentials may read."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial(target) as part:
            self._download(uri, part)

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{key}"

    def key_of(self, uri: str) -> str:
        """The key of an object of this model."""
        own = self.uri("")
        if not uri.startswith(own):
            raise StoreError(f"{uri} is not below {own}; it belongs to another model or bucket")
        return uri.removeprefix(own)


def connect(
    *, bucket: str, prefix: str, cache: Path, endpoint_url: str | None, region: str,
    access_key: str | None, secret_key: str | None,
) -> ObjectStore:  # fmt: skip
    """An object store on any S3-compatible server."""
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "max_attempts": 6}, connect_timeout=10, read_timeout=60,
        s3={"addressing_style": "path"} if endpoint_url else {},
    )  # fmt: skip
    client = boto3.client(
        "s3", endpoint_url=endpoint_url, region_name=region, config=config,
        aws_access_key_id=access_key, aws_secret_access_key=secret_key,
    )  # fmt: skip
    cache.mkdir(parents=True, exist_ok=True)
    return ObjectStore(client, bucket, prefix=prefix, cache=cache)


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def verify(path: Path, located: Located) -> None:
    """Raises CorruptObject where the bytes are not the ones that were recorded."""
    found = sha256_of(path)
    if found != located.sha256:
        raise CorruptObject(
            f"{located.uri} has SHA-256 {found}, recorded was {located.sha256}: the stored file was changed. "
            "Nothing was loaded. Roll back to another version, or restore the object."
        )


def split_uri(uri: str) -> tuple[str, str]:
    """'s3://bucket/some/key' as ('bucket', 'some/key')."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise StoreError(f"{uri!r} is no S3 address; write s3://bucket/prefix")
    return bucket, key


@contextmanager
def partial(target: Path) -> Iterator[Path]:
    """A temporary neighbour that becomes `target` in one step, or disappears."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _transfer() -> Any:
    from boto3.s3.transfer import TransferConfig

    # The CRT client ignores endpoint_url and would send weights to AWS; 16 MB parts x 4 measured fastest.
    return TransferConfig(
        preferred_transfer_client="classic", multipart_chunksize=16 << 20,
        multipart_threshold=16 << 20, max_concurrency=4,
    )  # fmt: skip


@contextmanager
def _translated(uri: str) -> Iterator[None]:
    """Turns boto's errors into ours, which name the address and the way out and carry no credentials."""
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as problem:
        code = str(problem.response.get("Error", {}).get("Code", ""))
        status = problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "NoSuchBucket":
            raise StoreError(f"{uri}: the bucket does not exist; create it or set UPKEEP_S3_BUCKET") from problem
        if status == 404 or code in {"NoSuchKey", "404"}:
            raise MissingObject(f"{uri}: nothing is stored there") from problem
        if status in {409, 412}:
            raise KeyTaken(f"{uri}: already written by another run") from problem
        if status == 403:
            raise StoreError(
                f"{uri}: access denied ({code}); check UPKEEP_S3_ACCESS_KEY, its secret and the bucket's policy"
            ) from problem
        raise StoreError(f"{uri}: the store answered {status} {code}") from problem
    except (BotoCoreError, S3UploadFailedError) as problem:
        raise StoreError(f"{uri}: {problem}; is the store running and UPKEEP_S3_ENDPOINT_URL right?") from problem
