"""How a run begins on the command line, and answers: in words, or in JSON, and by its exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

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


def answer(ended: Ended, spec: Path, *, as_json: bool) -> None:
    """Prints what came of a run, and ends the command with its exit code."""
    from flows.story import tell

    typer.echo(ended.model_dump_json(indent=2) if as_json else "\n".join(tell(ended, spec)))
    raise typer.Exit(0 if isinstance(ended.report, BootstrapReport) else EXITS.get(ended.report.outcome, 0))
