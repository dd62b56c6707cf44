"""The store of infra/compose.yaml, for real but for its container; its power is cut in tests/registry/test_power_cut.py."""

import os
import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from errors import SpecError, StoreError
from infra import lasting
from infra.local_store import FIRST
from infra.object_store import ObjectStore
from infra.workspace import open_workspace
from tests.infra.specs import spec_with
from tests.registry.composed import INFRA, SERVICES, STORE, composed_store
from tests.servers import Server

WRITERS = {name: service for name, service in SERVICES.items() if "UPKEEP_S3_BUCKET" in service.get("environment", {})}


def name_by_settings(server: Server, patch: pytest.MonkeyPatch, **more: object) -> None:
    settings = {"BUCKET": server.bucket, "ENDPOINT_URL": server.url, "ACCESS_KEY": server.access_key,
                "SECRET_KEY": server.secret_key, **more}  # fmt: skip
    for name, value in settings.items():
        patch.setenv(f"UPKEEP_S3_{name}", str(value))


@pytest.mark.slow
def test_a_worker_forces_what_it_writes_to_the_disk_of_composes_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[Path] = []
    with composed_store(tmp_path, stopped=True) as (server, data):
        name_by_settings(server, monkeypatch, DATA=data)
        with open_workspace(tmp_path / "spec.yaml", spec_with()) as work:
            monkeypatch.setattr(lasting, "force_to_disk", forced.append)
            work.store.put_bytes("k", b"x")
    assert {path.suffix for path in forced} >= {
        ".dat",
        ".idx",
        ".log",
    }  # what objects hold, where that is, and their names
    assert data / lasting.NAMES in forced


@pytest.mark.slow
def test_a_stop_is_clean_and_after_a_kill_the_store_mends_its_indexes_and_has_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with composed_store(tmp_path, stopped=True) as (server, data):
        name_by_settings(server, monkeypatch)
        with open_workspace(tmp_path / "spec.yaml", spec_with()) as work:
            work.store.put_bytes("k", b"kept" * 10_000)
    assert not (data / "not-stopped").exists()
    with composed_store(tmp_path):
        pass
    for index in data.glob("*.idx"):
        index.write_bytes(b"")  # as a power cut may leave it
    with composed_store(tmp_path, stopped=True) as (server, data):
        name_by_settings(server, monkeypatch)
        with open_workspace(tmp_path / "spec.yaml", spec_with()) as work:
            assert work.store.get_bytes("k") == b"kept" * 10_000


def test_a_folder_that_is_not_the_stores_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name_by_settings(Server("http://127.0.0.1:9"), monkeypatch, DATA=tmp_path / "lost")
    with pytest.raises(SpecError, match=r"lost is no folder of a SeaweedFS.*UPKEEP_S3_DATA must name"):
        open_workspace(tmp_path / "spec.yaml", spec_with()).__enter__()


def test_a_write_that_could_not_be_forced_is_an_error(store: Any, tmp_path: Path) -> None:
    (tmp_path / lasting.NAMES).mkdir()
    lasting.let_writes_last(store.client, tmp_path)
    store.put_bytes("k", b"x")
    os.symlink("itself", tmp_path / "itself")  # root may read anything; nobody can open this
    with pytest.raises(StoreError, match=r"could not be forced to the disk.*itself"):
        store.put_bytes("k", b"x")


def test_each_kind_of_write_is_forced_before_it_counts_as_done(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / lasting.NAMES).mkdir()
    lasting.let_writes_last(store.client, tmp_path)
    forced: list[Path] = []
    monkeypatch.setattr(lasting, "force_to_disk", forced.append)
    names = {"Bucket": store.bucket, "Key": f"{store.prefix}parts"}
    upload = {**names, "UploadId": store.client.create_multipart_upload(**names)["UploadId"]}
    etag = store.client.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    source = {"Bucket": store.bucket, "Key": f"{store.prefix}k"}
    writes: dict[str, Callable[[], object]] = {
        "put": lambda: store.put_bytes("k", b"x"),
        "copy": lambda: store.client.copy_object(Bucket=store.bucket, Key=f"{store.prefix}l", CopySource=source),
        "complete": lambda: store.client.complete_multipart_upload(**upload, MultipartUpload=parts),
        "delete": lambda: store.delete("k"),
    }
    for name, write in writes.items():
        forced.clear()
        write()
        assert tmp_path / lasting.NAMES in forced, name


@pytest.mark.parametrize(
    ("problem", "refused"), [(PermissionError(13, "no"), True), (FileNotFoundError(2, "no"), False)]
)
def test_a_folder_of_the_store_that_may_not_be_read_is_an_error_and_one_that_is_gone_is_none(
    problem: OSError, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / lasting.NAMES).mkdir()
    look = os.scandir

    def scan(path: Any) -> Any:
        if str(path).endswith(lasting.NAMES):
            raise problem
        return look(path)

    monkeypatch.setattr(os, "scandir", scan)
    with pytest.raises(StoreError, match="could not be forced") if refused else nullcontext():
        list(lasting._held_in(tmp_path))


def test_what_a_disk_of_its_own_holds_for_root_alone_is_not_read(tmp_path: Path) -> None:
    """Docker's user could not, and each write would be refused."""
    for folder in (lasting.NAMES, "lost+found/#17"):
        (tmp_path / folder).mkdir(parents=True)
    assert set(lasting._held_in(tmp_path)) == {tmp_path, tmp_path / lasting.NAMES}


def test_whoever_writes_to_composes_store_sees_its_files_and_is_the_user_that_made_them() -> None:
    assert {"deploy", "worker-cpu", "worker-gpu"} <= set(WRITERS)
    for service in WRITERS.values():
        assert f"objects:{service['environment']['UPKEEP_S3_DATA']}:ro" in service["volumes"]
    assert f"objects:{STORE['environment']['DATA']}" in STORE["volumes"]
    (uid,) = re.findall(r"useradd .*--uid (\d+) upkeep", (INFRA / "docker/Dockerfile").read_text())
    assert STORE["user"] == f"{uid}:{uid}"
    assert STORE["environment"]["READY"] in STORE["healthcheck"]["test"]


def test_composes_store_is_told_first_what_the_embedded_one_is_told() -> None:
    told = (INFRA / "docker/store.sh").read_text().replace("\\n", "\n")
    assert FIRST.removesuffix("exit\n") in told


def test_composes_store_is_closed_as_the_embedded_one_is() -> None:
    from infra.seaweed import PORTS, command

    embedded = {flag.partition("=")[0]: flag for flag in command(INFRA, dict.fromkeys(PORTS, 1))[2:]}
    of_its_place = {"-dir", "-ip", "-ip.bind", *(f"-{name}.port" for name in PORTS)}
    assert {flag for name, flag in embedded.items() if name not in of_its_place} <= set(STORE["command"])
