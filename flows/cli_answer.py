"""How a run begins on the command line, and answers: in words, or in JSON, and by its exit code."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from pydantic import BaseModel

from infra.settings import prepare_environment
from models.contracts import BootstrapReport, Ended, Outcome

EXITS = {Outcome.ALERTED: 3, Outcome.PUBLISHED: 3, Outcome.REJECTED: 4, Outcome.INSUFFICIENT: 4}
"""By what came of the run, also where another process has finished it; everything else is 0. Errors have theirs in `errors.py`."""


@contextmanager
def begin(spec: Path, *, verbose: bool) -> Iterator[None]:
    """Makes ready for a flow that is imported within, unless the spec is refused: at once, and not some eight seconds later, when
    Prefect is imported and its server has started."""
    from infra.own_prefect import prefect_coming_up
    from models.spec import read_spec

    read_spec(spec)
    prepare_environment(verbose=verbose)
    with prefect_coming_up():
        yield


def show(found: BaseModel | Sequence[BaseModel], lines: Iterable[str], *, as_json: bool) -> None:
    """Prints JSON for programs, or lines for people."""
    if not as_json:
        typer.echo("\n".join(lines))
    elif isinstance(found, BaseModel):
        typer.echo(found.model_dump_json(indent=2))
    else:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=2))


def answer(ended: Ended, spec: Path, *, as_json: bool) -> None:
    """Prints what came of a run, and ends the command with its exit code."""
    from flows.story import tell

    show(ended, tell(ended, spec), as_json=as_json)
    raise typer.Exit(0 if isinstance(ended.report, BootstrapReport) else EXITS.get(ended.report.outcome, 0))
