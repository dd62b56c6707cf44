"""Asks another work pool for a piece of work, by deployment name, and waits until it is done.

The asking is idempotent: who asks for the same job again, after a crash or beside another run, waits for the run that
is there already. A run that crashed with its worker is started again; it goes on from its last checkpoint.
"""

import logging
import time
from itertools import count
from typing import Any, cast

import httpx
from prefect import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.context import FlowRunContext, TaskRunContext
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from errors import PoolError

CRASHES = 3
"""So many of a job's runs may crash while it is waited for; asked for again, it is tried again."""
EVERY_SECONDS = 5.0
SERVER_MAY_BE_AWAY = 1800.0
logger = logging.getLogger(__name__)


def run_on_pool(deployment: str, parameters: dict[str, Any], *, key: str) -> None:
    """Returns when a run of `deployment` for the job `key` has completed. Raises PoolError where it cannot."""
    crashed = 0
    for attempt in count():
        run = _ask(deployment, parameters, key=f"{key}-{attempt}")
        if run.state and run.state.is_final():
            continue  # of an earlier asking, which has no result: this is another try, with crashes of its own
        ended = _wait(run)
        if ended.state and ended.state.is_completed():
            return
        if ended.state is None or ended.state.type is not StateType.CRASHED:
            raise PoolError(_explain(deployment, ended))
        crashed += 1
        if crashed == CRASHES:
            raise PoolError(f"{_explain(deployment, ended)} {CRASHES} runs of this job have crashed one after another.")
        logger.warning("%s crashed and is started again: %s", ended.name, ended.state.message)


def _ask(deployment: str, parameters: dict[str, Any], *, key: str) -> FlowRun:
    inside = bool(FlowRunContext.get() or TaskRunContext.get())
    try:
        run = run_deployment(deployment, parameters=parameters, timeout=0, idempotency_key=key, as_subflow=inside)
        return cast(FlowRun, run)  # it is awaitable only where the caller is asynchronous
    except ObjectNotFound as problem:
        raise PoolError(
            f"UPKEEP_GPU_POOL is set, and there is no deployment {deployment!r} to send the work to. Run "
            "`upkeep deploy SPEC`, or unset UPKEEP_GPU_POOL to do the work in this process."
        ) from problem


def _wait(run: FlowRun) -> FlowRun:
    """The run at its end. The server may be restarted meanwhile."""
    away_since: float | None = None
    while not (run.state and run.state.is_final()):
        time.sleep(EVERY_SECONDS)
        try:
            with get_client(sync_client=True) as client:
                run = client.read_flow_run(run.id)
            away_since = None
        except ObjectNotFound as problem:
            raise PoolError(f"run {run.name!r} was deleted in Prefect while it was waited for. Run this again: the work is sent "
                            "anew, and a training goes on from its last checkpoint.") from problem  # fmt: skip
        except (httpx.TransportError, httpx.HTTPStatusError) as problem:
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > SERVER_MAY_BE_AWAY:
                raise PoolError(f"Prefect's server has not answered for {SERVER_MAY_BE_AWAY / 60:.0f} minutes: {problem}. "
                                "The work goes on; run this again to wait for it.") from problem  # fmt: skip
    return run


def _explain(deployment: str, run: FlowRun) -> str:
    state = run.state
    became = ": ".join(filter(None, (state.name, state.message))).rstrip(". ") if state else "without a state"
    return (f"run {run.name!r} of {deployment} ended as {became}. Its page in Prefect has the log; mend the cause and run "
            "this again: finished stages are kept, and a training goes on from its last checkpoint.")  # fmt: skip
