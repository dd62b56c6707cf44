"""What tests share: a store on an in-process S3 server, and one Prefect server a session."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ.update(HF_HUB_OFFLINE="1", DO_NOT_TRACK="1", TOKENIZERS_PARALLELISM="false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two torch threads on a busy machine cost eight times one

from infra.object_store import ObjectStore
from tests.apis import Serve, faulty_api
from tests.stores import store_on

settings.register_profile("busy cores", deadline=None)
settings.load_profile("busy cores")


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    from moto.server import DomainDispatcherApplication, ThreadedMotoServer

    answer, one_at_a_time = DomainDispatcherApplication.__call__, threading.Lock()

    def answer_alone(self: DomainDispatcherApplication, *request: Any) -> list[bytes]:
        """Moto's threads look whether a key is there and then write it: two of eight at once were seen to win."""
        with one_at_a_time:
            return list(answer(self, *request))

    DomainDispatcherApplication.__call__ = answer_alone
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(s3_url: str, tmp_path: Path) -> ObjectStore:
    """An empty store of its own."""
    return store_on(s3_url, f"b{abs(hash(str(tmp_path)))}", tmp_path)


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
