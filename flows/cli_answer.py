"""How a run answers on the command line: in words, or in JSON, and by its exit code."""

from pathlib import Path

import typer

from models.contracts import Ended, Outcome

EXITS = {Outcome.ALERTED: 3, Outcome.PUBLISHED: 3, Outcome.REJECTED: 4, Outcome.INSUFFICIENT: 4}
"""By what came of the run; everything else is 0. Errors have theirs in `errors.py`."""


def answer(ended: Ended, spec: Path, *, as_json: bool) -> None:
    """Prints what came of a run, and ends the command with its exit code."""
    from flows.story import tell

    typer.echo(ended.model_dump_json(indent=2) if as_json else "\n".join(tell(ended, spec)))
    raise typer.Exit(EXITS.get(getattr(ended.report, "outcome", Outcome.HELD), 0))
