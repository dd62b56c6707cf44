"""Versions beside one another: a line for each, and what differs between two."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from errors import CorruptObject
from infra.object_store import ObjectStore
from models.contracts import BrokenVersion, Difference, Manifest, Measurement, VersionLine
from models.measures import figure
from tasks.formats import count
from tasks.registry.aliases import list_aliases, newest_entry
from tasks.registry.approvals import list_questions
from tasks.registry.moving import entombed
from tasks.registry.versions import list_versions, read_version


def describe_versions(*, now: datetime, store: ObjectStore) -> tuple[VersionLine | BrokenVersion, ...]:
    """Every whole version, newest first. One whose manifest was changed is told as that, and hides no other."""
    asked = {version: question.told(now) for version, question in list_questions(store=store).items()}
    buried = entombed(store=store)
    named: dict[int, list[str]] = {}
    for alias in list_aliases(store=store):
        named.setdefault(newest_entry(alias, store=store).version, []).append(alias)
    return tuple(
        _line(version, tuple(named.get(version, ())), asked.get(version, ""), version in buried, store)
        for version in reversed(list_versions(store=store))
    )


def _line(
    version: int, aliases: tuple[str, ...], approval: str, entombed: bool, store: ObjectStore
) -> VersionLine | BrokenVersion:
    try:
        manifest = read_version(version, store=store)
    except CorruptObject as problem:
        return BrokenVersion(version=version, aliases=aliases, problem=str(problem))
    return VersionLine(
        version=version, aliases=aliases, parent=manifest.parent, created_at=manifest.created_at,
        run_id=manifest.lineage.run_id, bytes=sum(file.bytes for file in manifest.files), measured=manifest.deciding,
        recipe=manifest.lineage.recipe, approval=approval, entombed=entombed,
    )  # fmt: skip


def compare(first: Manifest, second: Manifest) -> tuple[Difference, ...]:
    """What differs in recipe, data, files and metrics; a metric of another version is always named, since its rows may be
    others."""
    if first == second:
        return ()
    found = [*_recipe(first, second), *_data(first, second), *_files(first, second)]
    return (*(d for d in found if d.first != d.second), *_metrics(first, second))


def _recipe(first: Manifest, second: Manifest) -> Iterator[Difference]:
    for name in ("recipe", "source", "seed", "git_commit"):
        yield _difference("recipe", name, getattr(first.lineage, name), getattr(second.lineage, name))
    yield from _pairs("recipe", first.lineage.packages, second.lineage.packages)
    yield from _pairs("recipe", _flat(json.loads(first.lineage.spec)), _flat(json.loads(second.lineage.spec)))


def _data(first: Manifest, second: Manifest) -> Iterator[Difference]:
    for name in ("window_digest", "training_digest"):
        yield _difference("data", name, getattr(first.lineage, name)[:12], getattr(second.lineage, name)[:12])
    yield _difference("data", "reference rows", *(count(m.reference.table.rows) for m in (first, second)))


def _files(first: Manifest, second: Manifest) -> Iterator[Difference]:
    yield from _pairs("files", *({file.path: file.sha256[:12] for file in m.files} for m in (first, second)))


def _metrics(first: Manifest, second: Manifest) -> Iterator[Difference]:
    sides = [{f"{m.metric} on {m.on} rows": _shown(m) for m in v.measured} for v in (first, second)]
    yield from _pairs("metrics", *sides)


def _shown(found: Measurement) -> str:
    value, low, high = (
        figure(found.metric, v) for v in (found.estimate.value, found.estimate.low, found.estimate.high)
    )
    return f"{value} [{low}, {high}], n = {count(found.estimate.n)}"


def _pairs(part: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys((*first, *second)):
        yield _difference(part, name, first.get(name), second.get(name))


def _difference(part: str, name: str, first: Any, second: Any) -> Difference:
    return Difference(part=part, name=name, first=_said(first), second=_said(second))


def _said(value: Any) -> str:
    return "–" if value is None else str(value)


def _flat(fields: Mapping[str, Any], prefix: str = "spec.") -> dict[str, Any]:
    """{'a': {'b': 1}} as {'spec.a.b': 1}."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found
