"""A real S3 server for the proofs, and stores of their own on it."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local_store import BUCKET, Endpoint, local_store
from infra.object_store import ObjectStore, connect

NewStore = Callable[[], ObjectStore]


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with local_store(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture
def address(seaweed: Endpoint, tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """Arguments for `connect`, each time with a prefix of its own; one cache, so that the server is raced only once."""

    def new() -> dict[str, Any]:
        return {
            "bucket": BUCKET, "prefix": f"models/{secrets.token_hex(6)}/", "cache": str(tmp_path / "cache"),
            "endpoint_url": seaweed.url, "region": "us-east-1", "access_key": seaweed.access_key,
            "secret_key": seaweed.secret_key,
        }  # fmt: skip

    return new


def opened(address: dict[str, Any]) -> ObjectStore:
    return connect(**{**address, "cache": Path(address["cache"])})
