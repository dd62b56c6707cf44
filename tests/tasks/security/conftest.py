"""A release to be signed: a tiny model, published, and a pair of keys."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from infra.object_store import ObjectStore
from infra.release_keys import ReleaseKeys
from models.contracts import Manifest
from tasks.security.keys import PRIVATE, PUBLIC, make_keys
from tests.releases import released, stored_candidate

Publish = Callable[..., Manifest]


@pytest.fixture
def prefix() -> str:
    """The name of the model, which a signature covers."""
    return "models/test/"


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
    return partial(released, stored_candidate(store, tmp_path / "model"), store)
