"""What these credentials may write, asked before work is done whose result they could not store."""

import logging

from botocore.exceptions import ClientError

from errors import StoreError
from infra.absent import is_denied
from infra.multipart import abort_upload
from infra.object_store import ObjectStore
from infra.s3 import translated

LOG = logging.getLogger(__name__)


def require_right_to_publish(store: ObjectStore) -> None:
    """StoreError where the store denies what is trained its place, as a candidate or as a version."""
    # There is never a version 0, and candidates are named by digests.
    for below, folder in (
        (store.keys.versions, store.keys.version(0)),
        (store.keys.candidates, store.keys.candidate("0")),
    ):
        _require_right_to_put(
            store, below, folder + "README.md",
            "what would be trained could not be released, so nothing was trained. Who trains for a release needs both policies, "
            "trainer and releaser",
        )  # fmt: skip


def require_right_to_move(store: ObjectStore) -> None:
    """StoreError where the store denies the announcement that comes before every move of an alias."""
    _require_right_to_put(
        store, store.keys.moves, store.keys.move(0, "asked"),
        "no alias can be moved, so the champion stays. Who promotes or rolls back needs the policy releaser",
    )  # fmt: skip


def _require_right_to_put(store: ObjectStore, below: str, key: str, so: str) -> None:
    """Nothing is written: the right to begin an upload in parts is the one to put the object, and an upload that is ended at once
    makes none."""
    names = {"Bucket": store.bucket, "Key": store.prefix + key}
    try:
        with translated(store.uri(key)):
            upload = store.client.create_multipart_upload(**names)["UploadId"]
    except StoreError as problem:
        if not (isinstance(problem.__cause__, ClientError) and is_denied(problem.__cause__)):
            raise
        raise StoreError(f"{store.uri(below)}: access denied to write there: {so} (docs/access.md); check UPKEEP_S3_ACCESS_KEY and "
                         "the bucket's policy") from problem  # fmt: skip
    try:
        with translated(store.uri(key)):
            abort_upload(store.client, {**names, "UploadId": upload})
    except StoreError as problem:  # it has no part, and `upkeep gc` ends it
        LOG.warning("an upload that was begun to learn of a right could not be ended: %s", problem)
