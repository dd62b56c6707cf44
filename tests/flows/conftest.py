"""A maintained model of one's own: a tiny encoder, a CSV folder, a spec, and a store on the session's S3 server."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from infra.object_store import ObjectStore
from tests.servers import KEY, SECRET
from tests.tiny import sentences, tiny_model

SPEC: dict[str, Any] = {
    "name": "test",
    "model": {"source": "model", "max_tokens": 16},
    "labels": ["negative", "positive"],
    "data": {"sources": ["incoming/*.csv"]},
    "columns": {"text": "text", "label": "label"},
    "validation": {"near_duplicates": None},
    "training": {"epochs": 8, "learning_rate": 0.005, "threads": 1},
    "policy": {"min_rows": 20},
    "gates": [{"kind": "better"}, {"kind": "not_worse", "tolerance": 0.1}, {"kind": "latency", "factor": 50}],
}


class Home:
    """The user's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.spec = folder, folder / "spec.yaml"
        (folder / "incoming").mkdir()
        tiny_model(folder / "model")
        self.write_spec()

    def write_spec(self, **changes: Any) -> None:
        self.spec.write_text(yaml.safe_dump({**SPEC, **changes}))

    def receive(self, name: str, rows: pd.DataFrame) -> None:
        rows.to_csv(self.folder / "incoming" / f"{name}.csv", index=False)


@pytest.fixture
def prefix() -> str:
    """Where a run of the spec looks."""
    return "models/test/"


@pytest.fixture
def home(
    store: ObjectStore, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: None
) -> Home:
    settings = {"S3_BUCKET": store.bucket, "S3_ENDPOINT_URL": s3_url, "S3_ACCESS_KEY": KEY, "S3_SECRET_KEY": SECRET}
    for name, value in settings.items():
        monkeypatch.setenv(f"UPKEEP_{name}", value)
    folder = tmp_path / "mine"
    folder.mkdir()
    return Home(folder)


def flipped(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(label=rows["label"].map({"positive": "negative", "negative": "positive"}))


def moved(count: int, start: int) -> pd.DataFrame:
    """Another domain: the words that decide are used the other way round, and the sentences look different."""
    rows = flipped(sentences(count, start=start, noun="plot"))
    return rows.assign(text=rows["text"] + " scene actor scene actor")
