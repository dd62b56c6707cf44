"""What tests share: a store on the demo's S3 server, and one Prefect server a session."""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.update(HF_HUB_OFFLINE="1", DO_NOT_TRACK="1", TOKENIZERS_PARALLELISM="false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two torch threads on a busy machine cost eight times one

from infra.object_store import ObjectStore
from tests import servers
from tests.apis import Serve, faulty_api
from tests.stores import store_on

settings.register_profile("busy cores", deadline=None)
settings.load_profile("busy cores")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits longest begins first, so that the rest is done meanwhile (`make test-slow`)."""
    items.sort(key=lambda item: "operations" not in item.path.parts)


@pytest.fixture(scope="session")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.seaweed(tmp_path_factory.mktemp("s3")) as server:
        yield server.url


@pytest.fixture(scope="session")
def moto_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server that takes any key, and any wish for encryption."""
    with servers.moto(tmp_path_factory.mktemp("moto")) as server:
        yield server.url


@pytest.fixture
def prefix() -> str:
    """Where nothing was before: SeaweedFS takes no object by the name of a folder that it has not yet forgotten."""
    return f"models/{secrets.token_hex(4)}/"


@pytest.fixture
def store(s3_url: str, prefix: str, tmp_path: Path) -> ObjectStore:
    """Empty."""
    return store_on(s3_url, tmp_path, prefix=prefix)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    # Joining the heartbeat's thread would cost a second a flow.
    with (
        prefect_test_harness(server_startup_timeout=180),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Servers that answer as told, and clients that do not wait long for them."""
    from models import api

    monkeypatch.setattr(api, "FIRST_WAIT", 0.01)
    with ExitStack() as servers:
        yield lambda decide: servers.enter_context(faulty_api(decide))
