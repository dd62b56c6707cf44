"""The work pools that Upkeep's deployments run on, and how much may run there at a time.

Limits are those of pools and queues, since they survive a restart of Prefect's server. A queue for each model lets one
of its looks and maintenance runs go at a time; promotions and rollbacks do not wait for them.
"""

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound

CPU_POOL, GPU_POOL = "upkeep-cpu", "upkeep-gpu"


def ensure_pool(name: str, *, limit: int | None, client: SyncPrefectClient) -> str:
    """The pool, made for processes where it is not there; of one that is there only the limit is set."""
    try:
        found = client.read_work_pool(name)
    except ObjectNotFound:
        from prefect.workers.process import ProcessWorker

        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(
            WorkPoolCreate(name=name, type=ProcessWorker.type, base_job_template=template, concurrency_limit=limit)
        )
        return name
    if limit is not None and found.concurrency_limit != limit:
        client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=limit))
    return name


def ensure_queue(model: str, pool: str, *, client: SyncPrefectClient) -> str:
    """The model's queue, through which one run goes at a time."""
    try:
        found = client.read_work_queue_by_name(model, work_pool_name=pool)
    except ObjectNotFound:
        client.create_work_queue(
            name=model, work_pool_name=pool, concurrency_limit=1,
            description=f"One look or maintenance run of {model} at a time.",
        )  # fmt: skip
        return model
    if found.concurrency_limit != 1:
        client.update_work_queue(found.id, concurrency_limit=1)
    return model
