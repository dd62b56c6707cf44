"""The commands for running under Prefect: deploy, and a look by hand."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.cli_answer import answer, begin, show
from flows.cli_looking import Json, Spec
from flows.cli_registry import Verbose

operating = typer.Typer()


@operating.command()
def monitor(
    spec: Spec, as_json: Json = False, verbose: Verbose = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what was seen.")] = False,
) -> None:  # fmt: skip
    """Look at what came in and tell; a window that calls for training is left to `upkeep run`."""
    with begin(spec, verbose=verbose):
        from flows.monitor import monitor as flow

    answer(flow(spec, dry_run=dry_run), spec, as_json=as_json)


@operating.command()
def deploy(
    specs: Annotated[list[Path], typer.Argument(help="Specs, one a model.", metavar="SPEC")],
    as_json: Json = False,
    gpus: Annotated[int, typer.Option(min=0, help="Jobs at a time on the GPU pool; 0: train in the run itself.")] = 0,
    pools: Annotated[
        Literal["process", "kubernetes"], typer.Option(help="The type of work pools that are not there yet.")
    ] = "process",
    mounted_at: Annotated[
        Path | None, typer.Option(help="The folder in which workers find the specs. Default: where they are here.")
    ] = None,
    silent_after: Annotated[str, typer.Option(help="Alert when no maintenance run has completed for so long.")] = "26h",
    stuck_after: Annotated[str, typer.Option(help="Mark a run as crashed that had no heartbeat for so long.")] = "9m",
    pending_after: Annotated[
        str, typer.Option(help="Mark a run as crashed that a worker took and that has not begun for so long.")
    ] = "6h",
    notify: Annotated[
        str | None, typer.Option(help="A notification block for alerts, TYPE/NAME. Default: none.")
    ] = None,
) -> None:
    """Put models under a Prefect server's care: work pools, deployments, automations. Safe to repeat."""
    from flows.deploy import Options
    from flows.deploy import deploy as put

    options = Options(
        gpus=gpus, pools=pools, mounted_at=mounted_at, silent_after=silent_after, stuck_after=stuck_after,
        pending_after=pending_after, notify=notify,
    )  # fmt: skip
    done = put(specs, options)
    lines = []
    for found in done:
        lines += [f"{found.model}: deployments {', '.join(found.deployments)}",
                  *(f"   automation  {name}" for name in found.automations)]  # fmt: skip
    lines += [f"next: a worker for it, if there is none:  prefect worker start --pool {pool}"
              for pool in (("upkeep-cpu", "upkeep-gpu") if gpus else ("upkeep-cpu",))]  # fmt: skip
    show(done, lines, as_json=as_json)
