"""One writer for a store that cannot tell two apart: a file lock on this machine, and an object that names the machine.

The object is no lock: without conditional writes there is none. It says whose store this is, so that a second machine
is refused instead of quietly racing the first; two that come first in the same two seconds both look again.
"""

import fcntl
import json
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from errors import CorruptObject, StoreError
from infra.files import partial
from infra.s3 import translated

OWNER = "writer.json"
SETTLE_SECONDS = 2.0


class SingleWriter:
    """Holds processes of one machine apart, and refuses every other machine."""

    def __init__(self, client: Any, bucket: str, prefix: str, home: Path) -> None:
        self.client, self.bucket, self.key, self.home = client, bucket, prefix + OWNER, home
        self.owned = False

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While one object is created; raises StoreError where the store belongs to another machine."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "writer.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.owned:
                self._own()
            yield

    def _own(self) -> None:
        mine = self._identity()
        with translated(f"s3://{self.bucket}/{self.key}"):
            owner = self._owner()
            if owner is None:
                claim = {"writer": mine, "host": socket.gethostname(), "since": datetime.now(UTC).isoformat()}
                self.client.put_object(Bucket=self.bucket, Key=self.key, Body=json.dumps(claim).encode())
                time.sleep(SETTLE_SECONDS)
                owner = self._owner()
        if owner is None:
            raise StoreError(f"s3://{self.bucket}/{self.key} was deleted while this machine waited for others after it had claimed the "
                             "store there. Nothing else was written. If no other machine writes there, run again")  # fmt: skip
        if owner["writer"] != mine:
            raise StoreError(
                f"s3://{self.bucket}/{self.key} says that {owner['host']} has been the one writer of this store "
                f"since {owner['since']}, and the store cannot keep two apart. Run there; or, if that machine "
                "writes no more, delete this object and run again."
            )
        self.owned = True

    def _owner(self) -> dict[str, str] | None:
        try:
            found: bytes = self.client.get_object(Bucket=self.bucket, Key=self.key)["Body"].read()
        except ClientError as problem:
            if problem.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            return None
        return self._read(found)

    def _read(self, claim: bytes) -> dict[str, str]:
        try:
            owner = json.loads(claim)
        except ValueError:
            owner = None
        if not isinstance(owner, dict) or not owner.keys() >= {"writer", "host", "since"}:
            raise CorruptObject(f"s3://{self.bucket}/{self.key} should name the machine that is the one writer of this store, and does "
                                f"not: {claim[:80]!r}. If no other machine writes there, delete this object and "
                                "run again")  # fmt: skip
        return owner

    def _identity(self) -> str:
        """This machine's name for itself, made up once."""
        file = self.home / "writer.id"
        if not file.exists():
            with partial(file) as part:  # killed half-way, two machines could have the same empty name
                part.write_text(secrets.token_hex(16))
        return file.read_text()
