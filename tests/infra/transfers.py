"""What the tests of transfers share: sizes, a watch on what is sent, and looks at what was left behind."""

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.object_store import ObjectStore, connect
from infra.transfer import PART

PARTS, SIZE = 4, 3 * PART + 1000
"""Of the large file."""


def opened(address: dict[str, Any], **changes: Any) -> ObjectStore:
    return connect(**{**address, "cache": Path(address["cache"]), **changes})


class Requests:
    """What a store's client sends from now on."""

    def __init__(self, store: ObjectStore) -> None:
        self.count: Counter[str] = Counter()
        self.bytes = 0
        store.client.meta.events.register("before-call.s3", self._see)

    def _see(self, model: Any, params: dict[str, Any], **_: Any) -> None:
        self.count[model.name] += 1
        if model.name in {"PutObject", "UploadPart"}:
            body = params["body"]
            self.bytes += body.seek(0, os.SEEK_END) - body.seek(0)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def uploads_under_way(store: ObjectStore) -> list[str]:
    found = store.client.list_multipart_uploads(Bucket=store.bucket, Prefix=store.prefix).get("Uploads", [])
    return [upload["Key"] for upload in found]


def left_beside(target: Path) -> list[str]:
    return [path.name for path in target.parent.iterdir() if path.name.startswith(f".{target.name}")]


def deny(store: ObjectStore, operation: str) -> None:
    def refuse(**_: Any) -> None:
        answer = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(answer, operation)  # type: ignore[arg-type]

    store.client.meta.events.register(f"before-call.s3.{operation}", refuse)
