"""Work that goes to another pool: a job is stored, a worker there reads it by its address, and stores what came of it.

Both lie under the digest of the job, so that a job that is asked for twice is the same one, and whoever waited for it
may be started again.
"""

from pathlib import Path
from typing import TypeVar

from errors import MissingObject, PoolError
from infra.object_store import ObjectStore
from infra.stored_records import parsed
from models.contracts import Artifact, Record
from tasks.pool_runs import run_on_pool

R = TypeVar("R", bound=Record)


def store_job(job: Record, *, store: ObjectStore) -> Artifact:
    key, data = store.keys.job(job.digest), job.model_dump_json().encode()
    store.put_bytes(key, data)
    return Artifact(uri=store.uri(key), sha256=job.digest, bytes=len(data))


def read_job(uri: str, kind: type[R], *, store: ObjectStore) -> R:
    return parsed(kind, store.get_bytes(store.key_of(uri)), uri=uri)


def store_result(job: Record, result: R, *, store: ObjectStore) -> R:
    store.put_bytes(store.keys.result(job.digest), result.model_dump_json().encode())
    return result


def find_result(job: Record, kind: type[R], *, store: ObjectStore) -> R | None:
    """What came of a job; None while nothing has."""
    try:
        key = store.keys.result(job.digest)
        return parsed(kind, store.get_used(key), uri=store.uri(key))
    except MissingObject:
        return None


def done_on_pool(job: Record, kind: type[R], *, deployment: str, home: Path, store: ObjectStore) -> R:
    """What came of a job, which goes to `deployment` unless it was done before; `home`: its worker's folder, where the
    settings there name no other."""
    found = find_result(job, kind, store=store)
    if found is not None:
        return found
    stored = store_job(job, store=store)
    run_on_pool(deployment, {"job": stored.uri, "home": str(home)}, key=stored.sha256)
    found = find_result(job, kind, store=store)
    if found is None:
        raise PoolError(f"the run of {stored.uri} completed and left no result: its worker writes to another store. Give both pools' "
                        "workers the same UPKEEP_S3_* settings.")  # fmt: skip
    return found
