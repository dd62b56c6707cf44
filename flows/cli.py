"""The `upkeep` command: its commands answer in words, those that tell of a model also in JSON with --json, and say by
their exit code what became of it. Large libraries are imported by the command that needs them."""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from errors import SpecError, redact_causes
from flows.cli_answer import answer, begin, show
from flows.cli_approval import Verbose, approving
from flows.cli_looking import Json, Spec, looking
from flows.cli_operating import operating
from flows.cli_refusals import as_refusal
from flows.cli_registry import registry
from flows.cli_signing import signing
from infra.settings import keep_quiet, prepare_environment
from tasks.formats import typed

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    epilog="Exit codes: 0 done, nothing needs a person; 1 a bug; 2 the command or the spec is wrong; 3 alert, or a "
    "version waits: a person should look; 4 a candidate was trained and not released, or an approval was refused; 5 data or model refused; "
    "6 the store failed; 7 a work pool or Prefect's server failed; 130 interrupted: run it again.",
)  # fmt: skip
app.add_typer(looking)
app.add_typer(operating)
app.add_typer(approving)
app.add_typer(registry)
app.add_typer(signing)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"upkeep {version('llm-upkeep')}")
        raise typer.Exit


@app.callback()
def upkeep(
    which: Annotated[bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is.")] = False,
) -> None:  # fmt: skip
    """Scheduled maintenance for transformer models in production."""


@app.command()
def init(
    data: Annotated[Path, typer.Argument(help="A CSV, JSONL or Parquet file of your own (also .gz).", metavar="DATA")],
    model: Annotated[str, typer.Option(help="A folder, an s3:// prefix or a hub id to start from.")],
    spec: Annotated[Path, typer.Option(help="The file to write.")] = Path("spec.yaml"),
    name: Annotated[str | None, typer.Option(help="The model's name in the store. Default: the data file's.")] = None,
) -> None:
    """Write a commented spec of a classifier by looking at the columns of a data file."""
    from models.sketch import sketch_spec
    from models.spec import json_schema

    if spec.exists():
        raise SpecError(f"{spec} exists and is not overwritten; choose another name with --spec")
    text = sketch_spec(data, name=name, model=model, relative_to=spec.resolve().parent)
    spec.parent.mkdir(parents=True, exist_ok=True)
    spec.write_text(text, encoding="utf-8")
    (spec.parent / "upkeep.schema.json").write_text(json.dumps(json_schema(), indent=2), encoding="utf-8")
    typer.echo(f"wrote {spec} (and upkeep.schema.json beside it, for your editor)")
    typer.echo(f"next: read it, then  upkeep check {typed(spec)}  and  upkeep bootstrap {typed(spec)}")


@app.command()
def check(spec: Spec, as_json: Json = False) -> None:
    """Validate a spec without running anything."""
    from models.spec import read_spec

    found = read_spec(spec)
    if found.schedule:
        from flows.schedules import require_schedules  # asks Prefect, which takes a second to import

        require_schedules(found)
    gates = ", ".join(gate.name for gate in found.gates)
    labels = f", labels {', '.join(found.labels)}" if found.labels else ""
    show(found, [f"{spec} is valid: {found.name}, {found.task}{labels}; gates: {gates}"], as_json=as_json)


@app.command()
def bootstrap(
    spec: Spec, as_json: Json = False, verbose: Verbose = False,
    force: Annotated[bool, typer.Option("--force", help="Release even a model that is not shown to be useful.")] = False,
) -> None:  # fmt: skip
    """Train (or adopt) the first champion and freeze the reference window."""
    with begin(spec, verbose=verbose):
        from flows.bootstrap import bootstrap as flow

    answer(flow(spec, force=force), spec, as_json=as_json)


@app.command()
def run(
    spec: Spec, as_json: Json = False, verbose: Verbose = False,
    force: Annotated[bool, typer.Option("--force", help="Retrain whatever was seen.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what would be done.")] = False,
) -> None:  # fmt: skip
    """Look at what came in, and hold, alert, or release a better model."""
    with begin(spec, verbose=verbose):
        from flows.maintain import maintain

    answer(maintain(spec, force=force, dry_run=dry_run), spec, as_json=as_json)


@app.command()
def label(
    spec: Spec,
    file: Annotated[
        Path, typer.Argument(help="The filled batch: CSV or JSONL, in any order, also in part.", metavar="FILE")
    ],
    as_json: Json = False,
) -> None:
    """Take a filled labelling batch back; the next run decides by its labels."""
    from flows.label import describe_labels
    from flows.label import label as take
    from models.spec import read_spec

    taken = take(spec, file)
    show(taken, describe_labels(taken, read_spec(spec), spec_path=spec), as_json=as_json)


@app.command()
def demo(
    example: Annotated[
        str,
        typer.Argument(help="sentiment, chinese, generation, summarization, translation or hosted.", metavar="EXAMPLE"),
    ] = "sentiment",
    folder: Annotated[
        Path | None, typer.Option(help="Where it lives, made anew each time. Default: demo, or demo-EXAMPLE.")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """The whole loop on real data: a first release, a quiet day, drift, and what comes of it."""
    prepare_environment(verbose=verbose)
    from flows.demo import play

    where = folder or Path("demo" if example == "sentiment" else f"demo-{example}")
    play(where.resolve(), example=example, say=typer.echo)


def main() -> None:
    """Entry point: what is refused is told in one message and by its exit code, without a traceback."""
    keep_quiet()
    try:
        app()
    except Exception as problem:
        refusal = as_refusal(problem)
        if refusal is None:
            redact_causes(problem)
            raise
        if "--json" in sys.argv:
            typer.echo(json.dumps({"error": type(refusal).__name__, "message": str(refusal)}))
        typer.echo(f"upkeep: {refusal}", err=True)
        sys.exit(refusal.exit_code)


if __name__ == "__main__":
    main()
