"""What a workspace knows of its store from one command to the next."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra import conditional, local_store
from infra.lasting import NAMES
from infra.local_server import Endpoint
from infra.multipart import Multipart
from infra.object_store import ObjectStore
from infra.workspace import open_workspace
from tests.infra.specs import spec_with
from tests.servers import KEY, SECRET


def test_the_embedded_server_is_known_again_though_each_start_has_another_port(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is raced once, and an upload that was killed with it is gone on with."""
    url, raced, uploads = store.client.meta.endpoint_url, list[str](), list[str]()
    addresses = iter((url, url.replace("127.0.0.1", "localhost")))

    @contextmanager
    def start(directory: Path) -> Iterator[Endpoint]:
        (local_store.held_in(directory) / NAMES).mkdir(parents=True, exist_ok=True)
        yield Endpoint(next(addresses), KEY, SECRET, pid=1, ports={})

    def race(client: object, bucket: str, key: str) -> int:
        raced.append(key)
        return 1

    monkeypatch.setattr(local_store, "local_store", start)
    monkeypatch.setattr(local_store, "BUCKET", store.bucket)
    monkeypatch.setattr(conditional, "race", race)
    for _ in range(2):
        with open_workspace(tmp_path / "spec.yaml", spec_with()) as work:
            assert work.store.keeps_conditions
            upload = Multipart(work.store.client, work.store.uri("k"), count=1, memory=tmp_path / "uploads")
            upload.leave()
            uploads.append(upload.upload_id)
    assert len(raced) == conditional.ROUNDS
    assert len(set(uploads)) == 1
