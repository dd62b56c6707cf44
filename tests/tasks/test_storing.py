"""A model's folder in the store: what is there, or in the parent's version, is not sent."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.object_store import ObjectStore
from models.contracts import Weights
from tasks.finetuning import store_folder
from tests.infra.transfers import Requests
from tests.tiny import tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "model")


def another_config(folder: Path) -> None:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "note": "other"}))


def is_stored(weights: Weights, folder: Path, store: ObjectStore) -> bool:
    return all(store.get_bytes(weights.prefix + f.path) == (folder / f.path).read_bytes() for f in weights.files)


def test_what_the_parent_has_is_copied_inside_the_store(folder: Path, store: ObjectStore) -> None:
    parent = store_folder(folder, store)
    another_config(folder)
    sent = Requests(store)
    weights = store_folder(folder, store, parent=parent)
    assert sent.bytes == (folder / "config.json").stat().st_size
    assert sent.count["CopyObject"] == len(weights.files) - 1
    assert weights.prefix != parent.prefix
    assert is_stored(weights, folder, store)


def test_what_is_there_is_not_touched(folder: Path, store: ObjectStore) -> None:
    weights, sent = store_folder(folder, store), Requests(store)
    assert store_folder(folder, store, parent=weights) == weights
    assert set(sent.count) == {"ListObjectsV2"}


def test_what_was_just_made_and_stored_is_not_fetched_back(folder: Path, store: ObjectStore) -> None:
    weights, sent = store_folder(folder, store), Requests(store)
    store.keep_folder(folder, weights.files)
    kept = store.get_folder(weights.prefix, weights.files)
    assert not sent.count and not list(folder.iterdir())
    assert is_stored(weights, kept, store)
    store.keep_folder(folder, weights.files)  # once more, by a process that was slower
    assert store.get_folder(weights.prefix, weights.files) == kept


def test_where_the_parent_was_deleted_its_files_are_sent(folder: Path, store: ObjectStore) -> None:
    parent = store_folder(folder, store)
    for file in parent.files:
        store.delete(parent.prefix + file.path)
    another_config(folder)
    assert is_stored(store_folder(folder, store, parent=parent), folder, store)
