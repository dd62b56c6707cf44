"""A small model in a store, published and promoted."""

from datetime import UTC, datetime
from pathlib import Path

from infra.object_store import ObjectStore
from models.contracts import (
    Candidate,
    Cost,
    Estimate,
    Lineage,
    Manifest,
    Measured,
    Measurement,
    ModelKind,
    Reference,
    Release,
    Table,
    Weights,
)
from tasks.finetuning import store_folder
from tasks.registry.aliases import read_log
from tasks.registry.generations import move_alias
from tasks.registry.publishing import publish
from tests.tiny import tiny_model

NOW = datetime(2026, 11, 24, tzinfo=UTC)
KIND = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=16, seed=1)
TABLE = Table(uri="s3://b/k", sha256="0" * 64, bytes=1, rows=1)


def stored_candidate(store: ObjectStore, folder: Path, *, parent: int | None = None) -> Candidate:
    return candidate_of(store_folder(tiny_model(folder), store), parent=parent)


def candidate_of(weights: Weights, *, parent: int | None = None) -> Candidate:
    cost = Cost(seconds=1, cpu_seconds=1, peak_memory_mb=1, device="cpu", steps=1, epochs=1, stopped="done",
                resumed_from_step=0)  # fmt: skip
    return Candidate(prefix=weights.prefix, files=weights.files, content_digest=weights.content_digest, parent=parent,
                     recipe="test", cost=cost, curve=())  # fmt: skip


def released(
    candidate: Candidate, store: ObjectStore, run_id: str = "run-1", *, created_at: datetime = NOW, spec: str = "{}"
) -> Manifest:
    """A published version; no alias names it yet."""
    lineage = Lineage(run_id=run_id, spec=spec, spec_digest="d", source="here", window_digest="w", training_digest="t",
                      recipe="test", packages={}, git_commit="c", seed=1)  # fmt: skip
    measured = (Measurement(on="current", metric="accuracy",
                            estimate=Estimate(value=0.9, low=0.8, high=0.95, n=100, method="test")),)  # fmt: skip
    return publish.fn(
        candidate, model="test", kind=KIND, measured=measured,
        evidence=Measured(measurements=measured, to_beat=0.5),
        reference=Reference(table=TABLE, newest_origin="o"), lineage=lineage, created_at=created_at, store=store,
    )  # fmt: skip


def moved(
    manifest: Manifest, expected: int | None, store: ObjectStore, run_id: str = "run-1", *, alias: str = "champion"
) -> Release:
    """From the newest entry that names version `expected`."""
    begun = next((entry for entry in read_log(alias, store=store) if entry.version == expected), None)
    return move_alias.fn(manifest, alias=alias, expected=begun, run_id=run_id, why="test", store=store)


def flip(store: ObjectStore, key: str, byte: int = -2) -> None:
    """Changes one byte of a stored object."""
    data = bytearray(store.get_bytes(key))
    data[byte] ^= 1
    store.put_bytes(key, bytes(data))
