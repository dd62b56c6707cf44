"""Puts models under Prefect's care: pools, deployments and automations, made or brought up to date."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import Flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.flows import EntrypointType
from prefect.schedules import Schedule
from prefect.settings import get_current_settings

from errors import SpecError
from flows.maintain import maintain
from flows.monitor import monitor
from flows.promote import promote
from flows.retrain import retrain
from flows.rollback import rollback
from flows.schedules import looks, nightly, require_schedules
from flows.score import score
from infra.settings import DEPLOYED
from models.contracts import Record
from models.part import parse_period
from models.spec import ModelSpec, read_spec
from tasks.automations import LONG_ENOUGH, REMEMBERS, find_notification, install_automations, remembers_for
from tasks.events import post_deployed
from tasks.pools import CPU_POOL, GPU_POOL, PROCESS, ensure_pool, ensure_queue

logger = logging.getLogger(__name__)
TAG = "upkeep"
EVERYBODYS = "default"
"""What Prefect calls the queue that each pool has; a model's own is called as the model is."""
LEAST = 10
"""Seconds: of Prefect, for automations that act when nothing happens."""


class Deployed(Record):
    """What there is now for one model."""

    model: str
    deployments: tuple[str, ...]
    automations: tuple[str, ...]


@dataclass(frozen=True)
class Options:
    """`gpus`: jobs at a time on the GPU pool; 0: training happens where the run is. `pools`: the type of pools that are not
    there yet. `mounted_at`: the folder in which workers find the specs, where it is another than here."""

    gpus: int = 0
    pools: str = PROCESS
    mounted_at: Path | None = None
    silent_after: str = "26h"
    stuck_after: str = "9m"
    pending_after: str = "6h"
    notify: str | None = None


def deploy(spec_paths: list[Path], options: Options) -> list[Deployed]:
    """All of them, or none where a spec or an option is wrong."""
    specs = [(path, read_spec(path)) for path in spec_paths]
    _refuse_shared(specs, options)
    for _, spec in specs:
        require_schedules(spec)
    for period in (options.silent_after, options.stuck_after, options.pending_after):
        _seconds(period)
    _require_server()
    with get_client(sync_client=True) as client:
        notify = find_notification(options.notify, client=client) if options.notify else None
        ensure_pool(CPU_POOL, kind=options.pools, limit=None, client=client)
        if options.gpus:
            ensure_pool(GPU_POOL, kind=options.pools, limit=options.gpus, client=client)
        deployed = [_deploy(path, spec, options, notify, client) for path, spec in specs]
        _warn_of_a_server_that_forgets(client)
    return deployed


def _warn_of_a_server_that_forgets(client: SyncPrefectClient) -> None:
    remembers = remembers_for(client)
    if remembers is not None and remembers < LONG_ENOUGH:
        logger.warning(
            "this Prefect server forgets what falls due while it is down for more than %.0f s: a run that died with its machine is never "
            "marked, and silence not told. Start it with %s=P7D (P7D: seven days)", remembers.total_seconds(), REMEMBERS,
        )  # fmt: skip


def _require_server() -> None:
    """Prefect would start one for the length of this command, and what is put there runs nowhere."""
    if not get_current_settings().api.url:  # empty, it is none
        raise SpecError("PREFECT_API_URL is not set, so there is no server to deploy to: start one "
                        f"(`{REMEMBERS}=P7D prefect server start --background`), and export PREFECT_API_URL=http://127.0.0.1:4200/api, or your team's")  # fmt: skip


def _refuse_shared(specs: list[tuple[Path, ModelSpec]], options: Options) -> None:
    """Deployments are known by their model's name, and a spec on a worker by its place."""
    names: dict[str, Path] = {}
    places: dict[Path, Path] = {}
    for path, spec in specs:
        if spec.name == EVERYBODYS:
            raise SpecError(f"{path} names its model {EVERYBODYS!r}, as every work pool names the queue that promotions and rollbacks of all "
                            "models go through: give it another name to deploy it (a new name is a new model in the store)")  # fmt: skip
        there = _path_there(path, options)
        if (other := names.setdefault(spec.name, path)).resolve() != path.resolve():
            raise SpecError(f"{other} and {path} both name their model {spec.name!r}, and one deployment runs one spec: give "
                            "each its own name, or deploy one of them")  # fmt: skip
        if (other := places.setdefault(there, path)).resolve() != path.resolve():
            raise SpecError(
                f"workers would find both {other} and {path} at {there}, and run one for the other: rename one"
            )


def _deploy(path: Path, spec: ModelSpec, options: Options, notify: UUID | None, client: SyncPrefectClient) -> Deployed:
    queue = ensure_queue(spec.name, CPU_POOL, client=client)
    there = {"spec_path": str(_path_there(path, options))}
    variables = {"env": DEPLOYED | ({"UPKEEP_GPU_POOL": GPU_POOL} if options.gpus else {})}
    on_cpu: dict[str, Any] = {"work_pool_name": CPU_POOL, "parameters": there, "job_variables": variables}
    resumes = [TAG, f"model:{spec.name}", f"resumes:{spec.name}"]
    ids = {
        "monitor": _apply(monitor, spec, client, work_queue_name=queue, schedule=looks(spec), tags=resumes, **on_cpu),
        "maintain": _apply(
            maintain, spec, client, work_queue_name=queue, schedule=nightly(spec), tags=resumes, **on_cpu
        ),
        "promote": _apply(promote, spec, client, tags=resumes, **on_cpu),
        "rollback": _apply(rollback, spec, client, tags=resumes, **on_cpu),
    }
    if options.gpus:
        on_gpu: dict[str, Any] = {"work_pool_name": GPU_POOL, "job_variables": {"env": DEPLOYED}, "tags": resumes[:2]}
        ids |= {"retrain": _apply(retrain, spec, client, **on_gpu), "score": _apply(score, spec, client, **on_gpu)}
    values = {"model": spec.name, "silence": _seconds(options.silent_after), "heartbeats": _seconds(options.stuck_after),
              "pending": _seconds(options.pending_after), **{flow: str(id_) for flow, id_ in ids.items()}}  # fmt: skip
    installed = install_automations(values, notify=notify, client=client)
    post_deployed(spec.name, str(ids["maintain"]), client=client)
    names = tuple(f"{flow}/{spec.name}" for flow in ids)
    return Deployed(model=spec.name, deployments=names, automations=tuple(installed))


def _apply(
    flow: Flow[Any, Any], spec: ModelSpec, client: SyncPrefectClient, *, schedule: Schedule | None = None,
    **settings: Any,
) -> UUID:  # fmt: skip
    held = _held_by_a_person(f"{flow.name}/{spec.name}", schedule, client)
    made = flow.to_deployment(spec.name, entrypoint_type=EntrypointType.MODULE_PATH, **held, **settings)
    return cast(UUID, cast(RunnerDeployment, made).apply())  # awaitable only where the caller is asynchronous


def _held_by_a_person(name: str, schedule: Schedule | None, client: SyncPrefectClient) -> dict[str, Any]:
    """A deployment or a schedule that is paused stays so, though by itself Prefect would begin with it again."""
    try:
        found = client.read_deployment_by_name(name)
    except ObjectNotFound:
        return {"schedule": schedule}
    if schedule and found.schedules and not any(known.active for known in found.schedules):
        schedule = replace(schedule, active=False)
    return {"schedule": schedule, "paused": found.paused}


def _path_there(path: Path, options: Options) -> Path:
    return options.mounted_at / path.name if options.mounted_at else path.resolve()


def _seconds(period: str) -> str:
    try:
        seconds = parse_period(period).total_seconds()
    except ValueError as problem:
        raise SpecError(str(problem)) from problem
    if seconds < LEAST:
        raise SpecError(f"{period!r} is too short; Prefect waits {LEAST} seconds at least for what may not come")
    return f"{seconds:.0f}"
