"""The work pools that Upkeep's deployments run on, and how much may run there at a time.

Limits are those of pools and queues, since they survive a restart of Prefect's server. A queue for each model lets one
of its looks and maintenance runs go at a time; promotions and rollbacks do not wait for them.
"""

import json
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import WorkPool, WorkQueue
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

CPU_POOL, GPU_POOL = "upkeep-cpu", "upkeep-gpu"
PROCESS, KUBERNETES = "process", "kubernetes"
TEMPLATES = Path(__file__).resolve().parent.parent / "infra" / "kubernetes"


def ensure_pool(name: str, *, kind: str, limit: int | None, client: SyncPrefectClient) -> str:
    """The pool, made where it is not there; of one that is there only the limit is set, whatever its type."""
    try:
        found = client.read_work_pool(name)
    except ObjectNotFound:
        found = _made(WorkPoolCreate(name=name, type=kind, base_job_template=_template(name, kind)), client)
    if limit is not None and found.concurrency_limit != limit:
        client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=limit))
    return name


def _made(pool: WorkPoolCreate, client: SyncPrefectClient) -> WorkPool:
    """A worker that starts makes its pool too, so that another may have been faster."""
    try:
        return client.create_work_pool(pool)
    except ObjectAlreadyExists:
        return client.read_work_pool(pool.name)


def _template(name: str, kind: str) -> dict[str, Any]:
    if kind == KUBERNETES:
        found: dict[str, Any] = json.loads((TEMPLATES / f"{name.removeprefix('upkeep-')}-job.json").read_text("utf-8"))
        return found
    from prefect.workers.process import ProcessWorker

    return ProcessWorker.get_default_base_job_template()


def ensure_queue(model: str, pool: str, *, client: SyncPrefectClient) -> str:
    """The model's queue, through which one run goes at a time."""
    try:
        found = client.read_work_queue_by_name(model, work_pool_name=pool)
    except ObjectNotFound:
        found = _opened(model, pool, client)
    if found.concurrency_limit != 1:
        client.update_work_queue(found.id, concurrency_limit=1)
    return model


def _opened(model: str, pool: str, client: SyncPrefectClient) -> WorkQueue:
    about = f"One look or maintenance run of {model} at a time."
    try:
        return client.create_work_queue(name=model, work_pool_name=pool, concurrency_limit=1, description=about)
    except ObjectAlreadyExists:
        return client.read_work_queue_by_name(model, work_pool_name=pool)
