"""What a run changed, or left as it was: champion before and after, files, lineage, and the rows that were read."""

from dataclasses import dataclass

from models.contracts import BootstrapReport, Cursor, Manifest, Outcome, Release, RunReport
from tasks.formats import amount, count, measured, moment, size, words


@dataclass(frozen=True)
class Change:
    what: str
    before: str
    after: str


@dataclass(frozen=True)
class FileChange:
    path: str
    size: int
    change: str
    sha256: str


def list_changes(release: Release, before: Manifest | None) -> tuple[Change, ...]:
    """Champion before and after, line by line; the column before is empty for a first champion."""
    then, now = (_facts(m) if m else {} for m in (before, release.manifest))
    return tuple(Change(what, then.get(what, "–"), now.get(what, "–")) for what in now | then)


def _facts(manifest: Manifest) -> dict[str, str]:
    found = {f"{words(m.metric)} {_on(m.on)}": measured(m.estimate, m.metric)
                for m in manifest.measured if not m.on.startswith("slice:")}  # fmt: skip
    parent = f"version {manifest.parent}"
    return found | {
        "learned from": parent if manifest.lineage.source == parent else "the spec's source",
        "recipe": manifest.lineage.recipe, "its run began": moment(manifest.created_at),
        "files": f"{count(len(manifest.files))}, {size(sum(f.bytes for f in manifest.files))}",
        "rows that it is adapted to": amount(manifest.reference.table.rows, "row"),
        **({"labels": ", ".join(manifest.labels)} if manifest.labels else {}),
    }  # fmt: skip


def _on(rows: str) -> str:
    return {"current": "on its new rows", "reference": "on earlier rows"}.get(rows, f"on {rows}")


def list_files(release: Release, before: Manifest | None) -> tuple[FileChange, ...]:
    """Every file of the new version, and how it stands to the one before; then those that are gone."""
    old = {f.path: f for f in before.files} if before else {}
    files = release.manifest.files
    here = [FileChange(f.path, f.bytes, _against(old[f.path].sha256, f.sha256) if f.path in old else "new", f.sha256)
            for f in files]  # fmt: skip
    gone = [
        FileChange(f.path, f.bytes, "gone", f.sha256) for f in old.values() if f.path not in {n.path for n in files}
    ]
    return (*here, *gone)


def _against(old: str, new: str) -> str:
    return "the same" if old == new else "changed"


def list_lineage(release: Release) -> tuple[tuple[str, str], ...]:
    """Where a version comes from, as names and values."""
    from_ = release.manifest.lineage
    packages = ", ".join(f"{name} {number}" for name, number in from_.packages.items())
    return (
        ("run", from_.run_id), ("source", from_.source), ("window", from_.window_digest),
        ("training set", from_.training_digest), ("spec", from_.spec_digest),
        ("content", release.manifest.content_digest), ("manifest", release.entry.manifest_sha256),
        ("seed", str(from_.seed)), ("commit", from_.git_commit), ("packages", packages),
    )  # fmt: skip


def tell_unchanged(report: RunReport | BootstrapReport) -> str:
    """What still holds after a run that moved no alias."""
    champion = report.start.champion
    if champion is None:
        return "Nothing."
    entry = champion.entry
    stays = (f"alias {entry.alias} names version {champion.version} as before (generation {entry.generation}, "
             f"since {moment(entry.at)}).")  # fmt: skip
    outcome = report.outcome if isinstance(report, RunReport) else None
    if isinstance(report, RunReport) and report.asked:
        return f"Version {report.asked.request.version} was published, and no alias is moved without a person's yes: {stays}"
    if outcome is Outcome.PUBLISHED:
        return f"A new version was published, and no alias was moved ({_why_not(report)}): {stays}"
    if outcome in {Outcome.REJECTED, Outcome.INSUFFICIENT}:
        return f"No model was released: {stays} The candidate's weights are kept for a closer look; see Training."
    return f"No model was released: {stays}"


def _why_not(report: RunReport | BootstrapReport) -> str:
    """Why a blessed version does not serve."""
    warnings = report.attempt.blessing.warnings if isinstance(report, RunReport) and report.attempt else ()
    return f"gate {', '.join(warnings)} warns" if warnings else "release.promote is false"


def list_sources(before: Cursor, after: Cursor) -> list[tuple[str, int]]:
    """How many rows came from which file; a file that was replaced counts from its first row."""
    known = {p.uri: p for p in before.positions}
    counted = [(p.uri, p.rows - (known[p.uri].rows if p.uri in known and known[p.uri].head == p.head else 0))
               for p in after.positions]  # fmt: skip
    return [(uri, rows) for uri, rows in counted if rows > 0]
