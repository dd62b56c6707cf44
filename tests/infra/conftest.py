"""Stores on moto and on the demo's own server, and a file that travels in parts."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local_server import Endpoint
from infra.local_store import BUCKET, local_store
from infra.object_store import ObjectStore
from tests.infra.transfers import SIZE, opened
from tests.stores import TO_ALL


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with local_store(tmp_path_factory.mktemp("seaweed")) as found:
        yield found


@pytest.fixture(params=["moto", "seaweed"])
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Arguments for `connect`. moto, which takes the checksum over all parts' checksums for that of a copy, is told none, by
    boto3's own setting."""
    where = {"prefix": f"models/{secrets.token_hex(6)}/", "cache": str(tmp_path / "cache"), "region": "us-east-1"}
    if request.param == "seaweed":
        server: Endpoint = request.getfixturevalue("seaweed")
        return {**where, "bucket": BUCKET, "endpoint_url": server.url, "access_key": server.access_key,
                "secret_key": server.secret_key}  # fmt: skip
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    return {**TO_ALL, **where, "endpoint_url": request.getfixturevalue("moto_url")}


@pytest.fixture
def any_store(address: dict[str, Any]) -> ObjectStore:
    return opened(address)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "large.bin").write_bytes(os.urandom(SIZE))
    return tmp_path / "large.bin"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "small").write_bytes(b"small")
    return tmp_path / "small"
