"""Does this store keep `If-None-Match: *`? Several answer 200 to a header that they ignore, so it is tried by a race."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from errors import StoreError
from infra.files import partial, sha256_of_bytes
from infra.s3 import place_of, translated

WRITERS, ROUNDS = 8, 3
REFUSED = {409, 412, 501}
"""409: two writers at once; 412: there is one; 501: the header is not implemented, and nothing was written."""


def keeps_conditions(client: Any, bucket: str, prefix: str, *, cache: Path) -> bool:
    """True where of several writers that create one object at once exactly one is told that it did.

    The race is run once for each server and bucket on a machine, and remembered in `cache`, where it was won as it should
    be; else once a process, since a store may be mended.
    """
    memory = _memory(client, bucket, cache)
    if memory.exists() and _is_kept(json.loads(memory.read_text())["winners"]):
        return True
    winners = [race(client, bucket, f"{prefix}probe/{secrets.token_hex(8)}") for _ in range(ROUNDS)]
    if _is_kept(winners):
        remember(winners, client, bucket, cache=cache)
    return _is_kept(winners)


def remember(winners: list[int], client: Any, bucket: str, *, cache: Path) -> None:
    with partial(_memory(client, bucket, cache)) as part:
        part.write_text(json.dumps({"store": _place(client, bucket), "writers": WRITERS, "winners": winners}))


def _memory(client: Any, bucket: str, cache: Path) -> Path:
    return cache / "stores" / f"{sha256_of_bytes(_place(client, bucket).encode())}.json"


def _place(client: Any, bucket: str) -> str:
    return f"{place_of(client)}/{bucket}"


def _is_kept(winners: list[int]) -> bool:
    return winners == [1] * ROUNDS


def race(client: Any, bucket: str, key: str) -> int:
    """How many of the writers were told that they had created the object, which is deleted again."""

    def write(number: int) -> bool:
        try:
            client.put_object(Bucket=bucket, Key=key, Body=str(number).encode(), IfNoneMatch="*")
        except ClientError as problem:
            if problem.response["ResponseMetadata"]["HTTPStatusCode"] not in REFUSED:
                raise
            # The answer to a write that counted may have been lost, and its repetition been refused.
            return _holds(client, bucket, key, str(number).encode())
        return True

    with translated(f"s3://{bucket}/{key}"):
        with ThreadPoolExecutor(WRITERS) as pool:
            won = sum(pool.map(write, range(WRITERS)))
        won += write(WRITERS)  # and one that comes late
        client.delete_object(Bucket=bucket, Key=key)
    return won


def _holds(client: Any, bucket: str, key: str, data: bytes) -> bool:
    try:
        return bool(client.get_object(Bucket=bucket, Key=key)["Body"].read() == data)
    except ClientError:
        return False


def refusal(bucket: str, endpoint: str) -> StoreError:
    return StoreError(
        f"the store at {endpoint} does not keep `If-None-Match: *` on bucket {bucket!r} (raced by {WRITERS} writers to "
        "create one object): two runs at once could both believe that they released, and one release be lost. Use a "
        "store that keeps it (AWS S3, SeaweedFS, MinIO, Ceph, R2). If one machine alone writes to this bucket, set "
        "UPKEEP_S3_SINGLE_WRITER=true there (docs/registry.md)."
    )
