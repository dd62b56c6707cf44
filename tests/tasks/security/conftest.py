"""A release to be signed: a tiny model, published, and a pair of keys."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from infra.object_store import ObjectStore
from infra.release_keys import ReleaseKeys
from models.contracts import Candidate, Cost, Lineage, Manifest, Measured, ModelKind, Reference, Table
from tasks.finetuning import store_folder
from tasks.registry.versions import publish
from tasks.security.keys import PRIVATE, PUBLIC, make_keys
from tests.tiny import tiny_model

KIND = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=16, seed=1)
Publish = Callable[..., Manifest]


@pytest.fixture
def keys(tmp_path: Path) -> ReleaseKeys:
    """A pair of one's own, and a signature demanded."""
    return new_keys(tmp_path / "keys")


def new_keys(folder: Path) -> ReleaseKeys:
    make_keys(folder)
    return ReleaseKeys(SecretStr((folder / PRIVATE).read_text()), (folder / PUBLIC).read_text(), required=True)


@pytest.fixture
def published(store: ObjectStore, tmp_path: Path) -> Publish:
    """Publishes a version of a tiny model; another run, another version."""
    weights = store_folder(tiny_model(tmp_path / "model"), store)
    cost = Cost(seconds=1, cpu_seconds=1, peak_memory_mb=1, device="cpu", steps=1, epochs=1, stopped="done",
                resumed_from_step=0)  # fmt: skip
    candidate = Candidate(prefix=weights.prefix, files=weights.files, content_digest=weights.content_digest,
                          parent=None, recipe="test", cost=cost, curve=())  # fmt: skip
    reference = Reference(table=Table(uri="s3://b/k", sha256="0" * 64, bytes=1, rows=1), newest_origin="o")

    def run(run_id: str = "run-1") -> Manifest:
        lineage = Lineage(run_id=run_id, spec="{}", spec_digest="d", source="here", window_digest="w",
                          training_digest="t", recipe="test", packages={}, git_commit="c", seed=1)  # fmt: skip
        return publish.fn(candidate, model="test", kind=KIND, measured=(), reference=reference, lineage=lineage,
                          evidence=Measured(measurements=(), majority_share=0.5),
                          created_at=datetime(2026, 11, 24, tzinfo=UTC), store=store)  # fmt: skip

    return run
