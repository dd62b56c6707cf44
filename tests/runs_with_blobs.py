"""Runs as `upkeep gc` sees them: they open, find or make blobs in stages, name them in a report, and close."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import Artifact, Removal
from tasks.registry.blobs import Kept, collect_blobs

KEPT = Kept(age=timedelta(days=90))
NOW = datetime.now(UTC)
"""Tests say what the time is, stores what theirs is: from day 100 on all that a test wrote is old."""
OPEN = b'{"open": true}'


def blob(text: str, store: ObjectStore, kind: str = "kept") -> Artifact:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        path.write_text(text)
        return Artifact.model_validate(store.put_blob(kind, path))


@once("made")
def made(text: str, *, store: ObjectStore) -> Artifact:
    return blob(text, store)


class Run:
    """With every text as the content of a blob, half of them from a stage that remembers."""

    def __init__(self, run_id: str, store: ObjectStore) -> None:
        self.run_id, self.store = run_id, store
        self.found: list[Artifact] = []

    def begin(self, texts: Sequence[str]) -> "Run":
        self.store.put_bytes(self.store.keys.open_run, OPEN)
        self.found = [f(text, store=self.store) for text in texts for f in (made, blob)]
        return self

    def end(self) -> None:
        report = [artifact.model_dump(mode="json") for artifact in self.found]
        self.store.put_bytes(self.store.keys.run(self.run_id, "report.json"), json.dumps(report).encode())
        self.store.delete(self.store.keys.open_run)

    def has_all(self) -> bool:
        """Whether every blob that it named is there, with its bytes."""
        there = {self.store.uri(key) for key in blobs_of(self.store)}
        return all(artifact.uri in there and self.store.is_whole(artifact) for artifact in self.found)


def gc(store: ObjectStore, *, day: int, apply: bool = True, kept: Kept = KEPT) -> dict[str, Removal]:
    """What `upkeep gc` says of blobs on a day."""
    under_way = store.exists(store.keys.open_run)
    now = NOW + timedelta(days=day)
    return {
        f"{found.what}: {found.because}": found
        for found in collect_blobs(kept, under_way=under_way, now=now, apply=apply, store=store)
    }


def blobs_of(store: ObjectStore) -> set[str]:
    """Keys of the blobs that are there, without marks."""
    return {key for key in store.list_keys("blobs/") if not key.endswith(store.keys.given_up)}
