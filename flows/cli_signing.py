"""The commands about signatures: verify, sign, keygen."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli_answer import show
from flows.cli_looking import Json
from tasks.formats import typed

signing = typer.Typer()
Version = Annotated[str, typer.Argument(help="SPEC, SPEC@champion or SPEC@VERSION.", metavar="SPEC@VERSION")]


@signing.command()
def verify(version: Version, as_json: Json = False) -> None:
    """Read every byte of a released version: its hashes, and its signature where it has one (UPKEEP_VERIFY_KEY_FILE)."""
    from flows.inspect import spec_and_version
    from flows.signed import describe_verified, verify_version

    found = verify_version(*spec_and_version(version))
    show(found, [describe_verified(found)], as_json=as_json)


@signing.command()
def sign(version: Version, as_json: Json = False) -> None:
    """Sign a version that is there already, once every byte of it was verified (UPKEEP_SIGNING_KEY_FILE)."""
    from flows.inspect import spec_and_version
    from flows.signed import describe_verified, sign_version

    found = sign_version(*spec_and_version(version))
    show(found, [describe_verified(found)], as_json=as_json)


@signing.command()
def keygen(folder: Annotated[Path, typer.Argument(help="Where the two files go.", metavar="FOLDER")]) -> None:
    """Make a key pair for signing releases: keep the private one where releases are made, hand out the public one."""
    from tasks.security.keys import PRIVATE, PUBLIC, make_keys

    name = make_keys(folder)
    typer.echo(f"key {name}: export UPKEEP_SIGNING_KEY_FILE={typed(folder / PRIVATE)} (secret)\n"
               f"  whoever verifies: export UPKEEP_VERIFY_KEY_FILE={typed(folder / PUBLIC)}")  # fmt: skip
