"""Real S3 servers for the proofs, and stores of their own on them."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local_store import BUCKET, local_store
from infra.object_store import ObjectStore, connect
from tests import servers
from tests.registry.ceph import ceph as ceph_server
from tests.registry.ceph import missing
from tests.registry.nursery import Nursery, nursery
from tests.servers import Server

Address = dict[str, Any]
NewAddress = Callable[[], Address]


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The demo's."""
    with local_store(tmp_path_factory.mktemp("seaweed")) as found:
        yield Server(found.url, found.access_key, found.secret_key, BUCKET)


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with servers.ministack(tmp_path_factory.mktemp("ministack")) as found:
        yield found


@pytest.fixture(scope="session")
def juicefs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with servers.juicefs(tmp_path_factory.mktemp("juicefs")) as found:
        yield found


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if missing():
        pytest.skip(missing())
    with ceph_server(tmp_path_factory.mktemp("ceph")) as found:
        yield found


@pytest.fixture
def address(seaweed: Server, tmp_path: Path) -> NewAddress:
    """Arguments for `connect`, each time with a prefix of its own; one cache, so that the server is raced only once."""
    return lambda: address_on(seaweed, tmp_path / "cache")


@pytest.fixture(params=["seaweed", "ministack", pytest.param("ceph", marks=pytest.mark.slow)])
def any_address(request: pytest.FixtureRequest, tmp_path: Path) -> NewAddress:
    """The same on each kind of server that keeps conditional writes."""
    server: Server = request.getfixturevalue(request.param)
    return lambda: address_on(server, tmp_path / "cache")


def address_on(server: Server, cache: Path) -> Address:
    return {
        "bucket": server.bucket, "prefix": f"models/{secrets.token_hex(6)}/", "cache": str(cache),
        "endpoint_url": server.url, "region": "us-east-1", "access_key": server.access_key,
        "secret_key": server.secret_key,
    }  # fmt: skip


def opened(address: Address, **changes: Any) -> ObjectStore:
    return connect(**{**address, "cache": Path(address["cache"]), **changes})


@pytest.fixture(scope="module")
def births() -> Iterator[Nursery]:
    with nursery() as found:
        yield found
