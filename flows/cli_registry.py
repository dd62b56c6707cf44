"""The commands for the registry: promote, rollback, versions, diff, audit, gc."""

from typing import Annotated

import typer

from flows.cli_answer import begin, show
from flows.cli_approval import Force, Verbose, Version, promoted
from flows.cli_looking import Json, Spec
from models.contracts import BrokenVersion, VersionLine
from tasks.formats import amount, count, measured, moment, size, words

registry = typer.Typer()
MISFIT = 6


@registry.command()
def promote(
    spec: Spec, as_json: Json = False, verbose: Verbose = False,
    version: Version = None,
    reason: Annotated[str, typer.Option(help="Kept in the alias' log.")] = "",
    force: Force = False,
) -> None:  # fmt: skip
    """Move the champion to a version that was published and waits, once that was verified and loaded."""
    promoted(spec, version=version, why=reason, force=force, as_json=as_json, verbose=verbose)


@registry.command()
def rollback(
    spec: Spec, as_json: Json = False, verbose: Verbose = False,
    to: Annotated[int | None, typer.Option(help="The version to go back to. Default: the champion before.")] = None,
    reason: Annotated[str, typer.Option(help="Kept in the alias' log. Default: asked for by a person.")] = "",
) -> None:  # fmt: skip
    """Move the champion to an earlier version, once that was verified and loaded."""
    with begin(spec, verbose=verbose):
        from flows.rollback import rollback as flow

    entry = flow(spec, to=to, why=reason or "asked for by a person").entry
    line = f"version {entry.version} is champion again, version {entry.previous_version} was before"
    show(entry, [line], as_json=as_json)


@registry.command()
def versions(spec: Spec, as_json: Json = False) -> None:
    """Every version, newest first, and which of them an alias names."""
    from flows.registry import versions as find
    from tasks.registry.versions import ELSEWHERE

    found = find(spec)
    none = f"no version yet: run `upkeep bootstrap SPEC`. {ELSEWHERE}"
    show(found, [_version_line(line) for line in found] or [none], as_json=as_json)
    raise typer.Exit(MISFIT if any(isinstance(line, BrokenVersion) for line in found) else 0)


@registry.command()
def diff(
    spec: Spec,
    first: Annotated[int, typer.Argument(help="A version.", metavar="V1")],
    second: Annotated[int, typer.Argument(help="Another.", metavar="V2")],
    as_json: Json = False,
) -> None:
    """What differs between two versions: recipe, data, files, metrics."""
    from flows.registry import diff as find

    found = find(spec, first, second)
    lines = [f"{d.part:8} {d.name}: {d.first} → {d.second}" for d in found]
    show(found, lines or [f"versions {first} and {second} are alike"], as_json=as_json)


@registry.command()
def audit(
    spec: Spec, as_json: Json = False,
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte of every version, where only sizes are compared without it.")] = False,
) -> None:  # fmt: skip
    """Verify every alias' log, entry by entry, every manifest, and every file's size (--deep: every byte); points at what does not fit."""
    from flows.registry import audit_registry

    found = audit_registry(spec, deep=deep)
    read = "every byte read" if found.deep else "sizes compared; --deep reads every byte"
    lines = [f"does not fit: {misfit.uri}\n   {misfit.problem}" for misfit in found.misfits]
    lines.append(f"{count(found.entries)} log {'entry' if found.entries == 1 else 'entries'}, {amount(found.runs, 'run')}, "
                 f"{count(found.approvals)} of approvals, {amount(found.versions, 'version')}, {amount(found.files, 'file')} ({read}): "
                 f"{amount(len(found.misfits), 'misfit') if found.misfits else 'all fit'}")  # fmt: skip
    show(found, lines, as_json=as_json)
    raise typer.Exit(MISFIT if found.misfits else 0)


@registry.command()
def gc(
    spec: Spec, as_json: Json = False,
    keep: Annotated[int, typer.Option(min=1, help="The newest so many versions stay.")] = 10,
    older_than: Annotated[str, typer.Option(help="Younger versions and candidates stay: 30d, 12w.")] = "90d",
    entries: Annotated[int, typer.Option(min=1, help="What the last so many entries of a log name stays.")] = 10,
    uploads_older_than: Annotated[str, typer.Option(help="Unfinished uploads with a younger part stay.")] = "7d",
    blobs_older_than: Annotated[str, typer.Option(help="Younger blobs that nothing names stay; never: all stay.")] = "90d",
    reports_older_than: Annotated[str, typer.Option(help="Reports of older runs stay, and keep no blob.")] = "never",
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without it, only say what would be.")] = False,
) -> None:  # fmt: skip
    """Delete old versions and blobs that nobody names, half-written versions, old candidates and unfinished uploads; a dry run unless --apply."""
    from flows.registry import collect_garbage

    found = collect_garbage(spec, keep=keep, older_than=older_than, entries=entries,
                            uploads_older_than=uploads_older_than, blobs_older_than=blobs_older_than,
                            reports_older_than=reports_older_than, apply=apply)  # fmt: skip
    verb = "deleted" if apply else "would be deleted"
    lines = [f"{r.what:24} {size(r.bytes):>11}  {verb if r.removed else 'stays'}: {r.because}" for r in found]
    lines.append(f"{size(sum(r.bytes for r in found if r.removed))} {verb}")
    show(found, lines, as_json=as_json)


def _version_line(line: VersionLine | BrokenVersion) -> str:
    if isinstance(line, BrokenVersion):
        return f"{line.version:>4}  {'  '.join((*line.aliases, line.problem))}"
    found = line.measured
    quality = f"{words(found.metric)} {measured(found.estimate, found.metric)}" if found else ""
    parent = f"from {line.parent}" if line.parent else "first"
    also = (" ".join(line.aliases), line.approval, "gc began to delete it" if line.entombed else "")
    return (f"{line.version:>4}  {moment(line.created_at)}  {size(line.bytes):>11}  {parent:8} {quality}  "
            f"{line.run_id}  {'  '.join(filter(None, also))}").rstrip()  # fmt: skip
