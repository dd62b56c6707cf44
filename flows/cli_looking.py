"""The commands that look and change nothing: status, history, replay, pull, dashboard, ui."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from errors import SpecError
from flows.cli_answer import show
from infra.settings import prepare_environment

looking = typer.Typer()
Spec = Annotated[Path, typer.Argument(help="The model's spec (YAML).", metavar="SPEC")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@looking.command()
def status(spec: Spec, as_json: Json = False) -> None:
    """What is champion, how good it was at release, and what the last runs did."""
    from flows.inspect import describe, read_status

    found = read_status(spec)
    show(found, describe(found), as_json=as_json)


@looking.command()
def history(spec: Spec, as_json: Json = False) -> None:
    """Every finished run, newest first."""
    from flows.inspect import history_lines, read_all_history

    found = read_all_history(spec)
    show(found, history_lines(found) or ["no run has finished yet"], as_json=as_json)


@looking.command()
def replay(
    spec: Spec, as_json: Json = False,
    first: Annotated[str | None, typer.Option("--from", metavar="DATE", help="The first day (YYYY-MM-DD, UTC). Default: that of the bootstrap.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DATE", help="The last day, included. Default: that of the last run.")] = None,
) -> None:  # fmt: skip
    """What the runs so far would have decided by the spec as it is now; changes nothing."""
    from flows import replay as flow

    found = flow.replay(spec, first=first, last=last)
    typer.echo(json.dumps(flow.as_json(found), indent=2) if as_json else "\n".join(flow.replay_lines(found)))


@looking.command()
def pull(
    spec: Annotated[str, typer.Argument(help="SPEC, SPEC@champion or SPEC@VERSION.", metavar="SPEC@VERSION")],
    folder: Annotated[Path, typer.Argument(help="A new folder.", metavar="FOLDER")],
    as_json: Json = False,
) -> None:
    """Download a released version and verify every byte; from_pretrained reads the folder."""
    from flows.inspect import pull_version, spec_and_version
    from tasks.formats import amount

    manifest = pull_version(*spec_and_version(spec), folder)
    told = {"model": manifest.model, "version": manifest.version, "folder": str(folder)}
    line = f"{manifest.model} version {manifest.version}: {amount(len(manifest.files), 'file')}, each with the SHA-256 of the manifest, in {folder}"
    typer.echo(json.dumps(told) if as_json else line)


@looking.command()
def dashboard(
    spec: Spec,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Where Evidently's pages are served, on this machine only. Default: 8000."),
    ] = None,
    serve: Annotated[bool, typer.Option(help="Serve the pages, or only build the workspace.")] = True,
) -> None:
    """Evidently's dashboard of all runs over time (Ctrl-C ends it)."""
    import subprocess

    if port and not serve:
        raise typer.BadParameter("nothing is served with --no-serve: leave one of them out", param_hint="--port")
    prepare_environment(verbose=False)
    from flows.dashboard import build_dashboard
    from tasks.formats import amount

    built = build_dashboard(spec)
    left_out = f"; {built.gone} skipped, whose snapshots are gone from the store" if built.gone else ""
    typer.echo(f"{amount(built.runs, 'run')} in the Evidently workspace {built.folder}{left_out}")
    if serve:
        port = port or 8000
        where = ["--workspace", str(built.folder), "--host", "127.0.0.1", "--port", str(port)]
        typer.echo(f"http://127.0.0.1:{port}")
        if subprocess.call([str(Path(sys.executable).with_name("evidently")), "ui", *where]):
            raise SpecError(
                f"Evidently's pages ended, as it says above; where port {port} is taken, name another with --port"
            )


@looking.command()
def ui() -> None:
    """Prefect's pages of the runs on this machine (Ctrl-C ends them)."""
    import subprocess

    raise typer.Exit(subprocess.call([sys.executable, "-m", "prefect", "server", "start"]))
