"""What is forced to the disk after a write, and in which order (tests/registry/test_power_cut.py cuts the power)."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from errors import SpecError, StoreError
from infra import lasting
from infra.lasting import let_writes_last
from infra.s3 import open_client

COPY = {"CopySource": {"Bucket": "b", "Key": "j"}}
PARTS = {"UploadId": "u", "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "e"}]}}


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """Its folder, as far as it matters."""
    for name in (
        "filerldb2/000001.log",
        "volumes/1.dat",
        "volumes/1.idx",
        "admin/notes",
        "worker/notes",
        "lost+found/x",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def client() -> Any:
    """Every request is answered."""
    client = open_client(endpoint_url="http://127.0.0.1:9", region="us-east-1", access_key="a", secret_key="b")
    done = b"<Done><ETag>e</ETag></Done>"

    def answer(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, {}, SimpleNamespace(stream=lambda: [done]))

    client.meta.events.register("before-send.s3", answer)
    return client


@pytest.mark.parametrize(
    ("operation", "given"),
    [("put_object", {}), ("copy_object", COPY), ("complete_multipart_upload", PARTS), ("delete_object", {})],
)
def test_after_each_write_all_that_the_server_holds_is_forced_to_the_disk_and_then_the_folders_that_name_it(
    operation: str, given: dict[str, Any], server: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[str] = []
    monkeypatch.setattr(lasting, "force_to_disk", lambda path: forced.append(str(path.relative_to(server))))
    let_writes_last(client, server)
    client.head_object(Bucket="b", Key="k")
    assert forced == [], "what only reads"
    client.meta.events.register("before-send.s3", lambda **_: forced.append("sent"))
    getattr(client, operation)(Bucket="b", Key="k", **given)
    assert forced.pop(0) == "sent", "what is forced before may lack what was written"
    assert sorted(forced) == [".", "filerldb2", "filerldb2/000001.log", "volumes", "volumes/1.dat", "volumes/1.idx"]
    assert all(forced.index(f"{Path(name).parent}") > forced.index(name) for name in forced if "/" in name)


@pytest.mark.parametrize(("problem", "counts"), [(FileNotFoundError(2, "gone"), False), (PermissionError(13, "no"), True)])  # fmt: skip
@pytest.mark.parametrize("where", ["a file", "a folder"])
def test_a_write_that_cannot_be_forced_is_an_error_and_what_the_server_deleted_meanwhile_is_none(
    where: str, problem: OSError, counts: bool, server: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise problem

    let_writes_last(client, server)
    monkeypatch.setattr(*((lasting, "force_to_disk") if where == "a file" else (os, "scandir")), fail)
    if not counts:
        client.put_object(Bucket="b", Key="k")
        return
    with pytest.raises(StoreError, match=r"could not be forced to the disk, .*UPKEEP_S3_DATA"):
        client.put_object(Bucket="b", Key="k")


def test_a_folder_that_is_none_of_such_a_server_is_refused_by_its_setting(tmp_path: Path, client: Any) -> None:
    with pytest.raises(SpecError, match=r"is no folder of a SeaweedFS: it has no filerldb2/. UPKEEP_S3_DATA must name"):
        let_writes_last(client, tmp_path)
