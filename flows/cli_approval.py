"""The commands by which a person answers: waiting, rate, approve, reject. The last two run the flow that Prefect's form runs."""

import json
from functools import partial
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli_answer import begin, show
from flows.cli_looking import Json, Spec
from tasks.formats import typed

if TYPE_CHECKING:
    from tasks.blinding import Blind, Choice

approving = typer.Typer()
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's log as well.")]
Version = Annotated[int | None, typer.Option(help="Default: the newest that waits.")]


def _given(reason: str) -> str:
    if not reason.strip():
        raise typer.BadParameter("is empty; say why, in words that tell somebody a year from now")
    return reason


Reason = Annotated[str, typer.Option(help="Kept in the registry for good.", callback=_given)]
Force = Annotated[bool, typer.Option("--force", help="Also one that was judged against another champion, was rejected, that nobody was "
                                     "asked about, or whose question has expired or lacks ratings.")]  # fmt: skip


@approving.command()
def waiting(
    spec: Spec, as_json: Json = False,
    sheet: Annotated[Path | None, typer.Option(help="A new CSV file for the newest's samples, to be filled (approve --ratings).")] = None,
) -> None:  # fmt: skip
    """What waits for an answer: the scorecard, the ratings, and both models' answers side by side."""
    from flows.waiting import describe_none, describe_waiting, find_waiting

    found = find_waiting(spec, sheet=sheet)
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
    else:
        lines = [line for one in found for line in describe_waiting(one)]
        typer.echo("\n".join(lines or [describe_none(spec)]))
    if sheet:
        told = f"the samples of version {found[0].request.version} are in {sheet}: fill it, then upkeep approve {typed(spec)}"
        typer.echo(f"{told} --reason … --ratings {typed(sheet)}", err=True)


@approving.command()
def rate(
    spec: Spec, version: Version = None, as_json: Json = False,
    rater: Annotated[str, typer.Option(help="Your name, kept with your ratings. Default: your login.")] = "",
    page: Annotated[Path | None, typer.Option(help="Write an HTML file that people fill in a browser, and ask nothing.")] = None,
    take: Annotated[list[Path] | None, typer.Option(help="A file that such a page has saved; --take again for more of them.")] = None,
) -> None:  # fmt: skip
    """Say which of two answers is better, without knowing whose they are: here, or on a page for others."""
    from flows import rate as flow

    _require_one_way(page, take, rater)
    if page:
        asked = flow.write_rating_page(spec, page, version=version)
        if asked.lack:
            _warn(flow.lacking(asked))
        onwards = f"hand in what it saves with: upkeep rate {typed(spec)} --version {asked.version} --take FILE"
        told = {"version": asked.version, "page": str(page)}
        typer.echo(json.dumps(told) if as_json else f"{page} asks about version {asked.version}; {onwards}")
        return
    found = flow.take_ratings(spec, take, version=version) if take else flow.rate(
        spec, rater=rater or _login(), choose=partial(_ask, beside=as_json), warn=_warn, version=version)  # fmt: skip
    show(found.verdict, flow.describe_rated(found, spec), as_json=as_json)


def _warn(told: str) -> None:
    typer.echo(told, err=True)


def _require_one_way(page: Path | None, take: list[Path] | None, rater: str) -> None:
    if page and take:
        raise typer.BadParameter(
            "--page writes a page and --take reads what one saved: give one of them", param_hint="--take"
        )
    if rater and (page or take):
        raise typer.BadParameter(
            f"{rater!r} is not taken: whoever rates on a page writes their name there; leave it out",
            param_hint="--rater",
        )


def _login() -> str:
    """Empty where the machine knows no name, as in a container under a user id of its own: the flow then asks for one."""
    try:
        return getuser()
    except (KeyError, OSError):
        return ""


def _ask(sample: "Blind", number: int, of: int, *, beside: bool = False) -> "Choice | None":
    """`beside`: on stderr, where stdout is for a program."""
    from tasks.formats import visible

    expected = f"\nexpected: {sample.reference}" if sample.reference else ""
    asked = f"{sample.text}{expected}\n\nA: {sample.a}\nB: {sample.b}"
    typer.echo(f"\n--- {number} of {of}\n{visible(asked)}\n", err=beside)
    choices: dict[str, Choice | None] = {"a": "a", "b": "b", "s": "same", "q": None}
    while (
        said := _typed("Which is better? a, b, s (the same) or q (enough)", beside).strip().casefold()
    ) not in choices:
        typer.echo(f"{said!r} is no answer", err=beside)
    return choices[said]


def _typed(asked: str, beside: bool) -> str:
    """A prompt makes an error of its own of Ctrl-C, and of an input that ends."""
    try:
        return str(typer.prompt(asked, err=beside))
    except typer.Abort as ended:
        typer.echo(err=beside)
        raise KeyboardInterrupt from ended


@approving.command()
def approve(
    spec: Spec, reason: Reason, version: Version = None, as_json: Json = False, verbose: Verbose = False,
    ratings: Annotated[Path | None, typer.Option(help="A filled copy of the sheet of samples (waiting --sheet).")] = None,
    force: Force = False,
) -> None:  # fmt: skip
    """Say yes: the version that waits becomes champion, once it was verified and loaded."""
    promoted(spec, version=version, why=reason, ratings=ratings, force=force, as_json=as_json, verbose=verbose)


@approving.command()
def reject(
    spec: Spec, reason: Reason, version: Version = None, as_json: Json = False, verbose: Verbose = False,
    force: Annotated[bool, typer.Option("--force", help="Also one whose question has expired.")] = False,
) -> None:  # fmt: skip
    """Say no: the version that waits never becomes champion, unless somebody forces it."""
    promoted(spec, answer="reject", version=version, why=reason, force=force, as_json=as_json, verbose=verbose)


def promoted(
    spec: Path, *, version: int | None, why: str, force: bool, as_json: bool, verbose: bool,
    ratings: Path | None = None, answer: Literal["approve", "reject"] = "approve",
) -> None:  # fmt: skip
    """Runs the flow and says what came of it."""
    with begin(spec, verbose=verbose):
        from flows.promote import promote as flow
    from models.contracts import Record, Release

    came = flow(spec, version=version, answer=answer, why=why, ratings=ratings, force=force)
    if isinstance(came, Release):
        record: Record = came.entry
        line = f"version {came.version} is champion, version {came.entry.previous_version} was before"
    else:
        record, line = came, f"version {came.version} was rejected by {came.who}: {came.why}"
    typer.echo(record.model_dump_json(indent=2) if as_json else line)
