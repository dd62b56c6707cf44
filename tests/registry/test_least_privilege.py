"""The IAM policies of infra/iam/ on real servers that enforce them: each role does its part, and is refused every other."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from errors import MissingObject, StoreError
from infra.multipart import Multipart
from infra.object_store import ObjectStore, connect
from infra.rights import require_right_to_publish
from infra.seaweed import PORTS, command, free_ports
from tasks.opened import open_run_of
from tasks.registry.aliases import read_alias
from tasks.registry.blobs import Kept
from tasks.registry.pulling import pull
from tasks.registry.retention import Retention, collect
from tasks.registry.versions import list_versions
from tests.infra.test_iam import BUCKET, MODEL, ROLES, statements
from tests.registry import ceph
from tests.releases import moved, released, stored_candidate
from tests.runs_with_blobs import blob
from tests.servers import KEY, SECRET


@pytest.fixture(scope="module", params=["seaweed", pytest.param("ceph", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One user a role, under the very files of infra/iam/ but for the one condition that neither knows."""
    start = {"seaweed": _seaweed, "ceph": _ceph}[request.param]
    yield from start(tmp_path_factory.mktemp(request.param))


def _seaweed(folder: Path) -> Iterator[str]:
    ports = free_ports(len(PORTS))
    policies = [{"name": r, "document": {"Version": "2012-10-17", "Statement": _known_to_all(r)}} for r in ROLES]
    identities = [{"name": r, "credentials": [{"accessKey": r, "secretKey": f"{r}-secret"}], "actions": [],
                   "policyNames": [r]} for r in ROLES]  # fmt: skip
    admin = {"name": "admin", "credentials": [{"accessKey": "admin", "secretKey": "admin-secret"}],
             "actions": ["Admin", "Read", "Write", "List"]}  # fmt: skip
    sts = {"tokenDuration": "1h", "maxSessionLength": "12h", "issuer": "test", "signingKey": "dGVz" * 11}
    (folder / "iam.json").write_text(json.dumps(
        {"sts": sts, "policy": {"defaultEffect": "Deny", "storeType": "memory"}, "policies": policies}))  # fmt: skip
    (folder / "s3.json").write_text(json.dumps({"identities": [admin, *identities]}))
    flags = [f"-s3.config={folder / 's3.json'}", f"-s3.iam.config={folder / 'iam.json'}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command(folder / "data", ports), *flags], stdout=log, stderr=log,
                                   env={**os.environ, "GOMEMLIMIT": "400MiB"})  # fmt: skip
    try:
        url = f"http://127.0.0.1:{ports['s3']}"
        _wait_for(url, folder)
        yield url
    finally:
        process.kill()  # asked to end, it takes twenty seconds
        process.wait()


def _known_to_all(role: str) -> list[dict[str, Any]]:
    return [s for s in statements(role) if "Null" not in s.get("Condition", {})]


def _wait_for(url: str, folder: Path) -> None:
    admin = opened("admin", url, folder)
    for _ in range(200):
        try:
            admin.client.create_bucket(Bucket=BUCKET)
            admin.put_bytes("canary", b"up")
            return
        except (StoreError, BotoCoreError, ClientError):
            time.sleep(0.1)
    raise AssertionError("the server did not start")


def _ceph(folder: Path) -> Iterator[str]:
    """There the roles are users whom the bucket's own policy names."""
    if ceph.missing():
        pytest.skip(ceph.missing())
    with ceph.ceph(folder) as found:
        for role in ROLES:
            ceph.add_user(folder, role, access_key=role, secret_key=f"{role}-secret")
        owner = connect(bucket=BUCKET, prefix="", cache=folder / "cache", endpoint_url=found.url, region="us-east-1",
                        access_key=KEY, secret_key=SECRET)  # fmt: skip
        owner.client.create_bucket(Bucket=BUCKET)
        named = [{**s, "Principal": {"AWS": [f"arn:aws:iam:::user/{r}"]}} for r in ROLES for s in _known_to_all(r)]
        policy = {"Version": "2012-10-17", "Statement": [{**s, "Sid": str(n)} for n, s in enumerate(named)]}
        owner.client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
        yield found.url


def opened(role: str, url: str, folder: Path) -> ObjectStore:
    return connect(bucket=BUCKET, prefix=f"{MODEL}/", cache=folder / role / "cache", endpoint_url=url,
                   region="us-east-1", access_key=role, secret_key=f"{role}-secret")  # fmt: skip


def test_each_role_does_its_part_of_a_release_and_is_refused_every_other(server: str, tmp_path: Path) -> None:
    reader, trainer, releaser, collector = (opened(role, server, tmp_path) for role in ROLES)
    candidate = stored_candidate(trainer, tmp_path / "model")
    with pytest.raises(StoreError, match="access denied"):
        released(candidate, trainer)
    manifest = released(candidate, releaser)
    with pytest.raises(StoreError, match="access denied"):
        moved(manifest, None, trainer)
    moved(manifest, None, releaser)
    release = read_alias("champion", store=reader)
    assert release is not None
    pull(release.manifest, tmp_path / "pulled", store=reader)

    alias = releaser.list_keys("aliases/")[0]
    weights_key = releaser.keys.version(1) + "model.safetensors"
    refused = [(store, key) for store in (reader, trainer) for key in (alias, "aliases/champion/0.json", weights_key)]
    for store, key in (*refused, (reader, "blobs/x"), (releaser, "candidates/x")):
        with pytest.raises(StoreError, match="access denied"):
            store.put_bytes(key, b"mine")
    with pytest.raises(StoreError, match="access denied"):
        collector.delete(alias)
    for store in (reader, trainer, releaser):
        for key in (alias, weights_key):
            with pytest.raises(StoreError, match="access denied"):
                store.delete(key)
    trainer.put_bytes("blobs/rows", b"what a customer wrote")
    with pytest.raises(StoreError, match="access denied"):
        reader.get_bytes("blobs/rows")


def test_who_collects_does_all_of_gc_and_nothing_else(server: str, tmp_path: Path) -> None:
    trainer, releaser, collector = (opened(role, server, tmp_path) for role in ROLES[1:])
    candidate = stored_candidate(trainer, tmp_path / "model")
    newest = max(list_versions(store=releaser), default=0)
    unwanted, wanted = (released(candidate, releaser, f"run-to-collect-{n}").version for n in range(2))
    assert (unwanted, wanted) == (newest + 1, newest + 2)
    trainer.put_bytes(trainer.keys.stage("candidate", "d" * 64), candidate.model_dump_json().encode())
    releaser.put_bytes(releaser.keys.move(wanted, "killed"), b'{"at": "2020-01-01T00:00:00+00:00"}')
    trainer.client.create_multipart_upload(Bucket=BUCKET, Key=f"{MODEL}/candidates/x/y")
    unnamed = blob("what nobody names", trainer)
    assert open_run_of(store=collector) is None

    later = datetime.now(UTC) + timedelta(days=60)
    retention = Retention(versions=1, age=timedelta(days=30), entries=10, blobs=Kept(timedelta(days=30)))
    found = collect(retention, under_way=False, now=later, apply=True, store=collector)
    collect(retention, under_way=False, now=later, apply=True, store=collector)
    assert not trainer.exists(trainer.key_of(unnamed.uri))
    removed = {removal.what for removal in found if removal.removed}
    assert {f"version {unwanted}", f"candidate {candidate.content_digest[:12]}"} <= removed
    uploads = found[-1]  # Ceph denies their listing where it is confined to a prefix
    assert uploads.what == "upload of candidates/x/y" or "could not be collected: " in uploads.because
    assert wanted in list_versions(store=releaser) and unwanted not in list_versions(store=releaser)
    assert not releaser.list_keys("candidates/") and not releaser.list_keys("moves/")
    with pytest.raises(StoreError, match="access denied"):
        collector.get_bytes(collector.keys.version(wanted) + "model.safetensors")
    for key in ("aliases/champion/0.json", "claims/000009.json", "blobs/x"):
        with pytest.raises(StoreError, match="access denied"):
            collector.put_bytes(key, b"mine")
    for key in ("aliases/champion/0.json", "claims/000009.json", "labels/1.jsonl"):
        with pytest.raises(StoreError, match="access denied"):
            collector.delete(key)


def test_a_trainer_whose_upload_was_ended_by_somebody_else_begins_it_anew(server: str, tmp_path: Path) -> None:
    """Ceph says of such an upload that it is denied."""
    trainer = opened("trainer", server, tmp_path)
    uri = trainer.uri("candidates/x/model.safetensors")
    first = Multipart(trainer.client, uri, count=1, memory=tmp_path / "uploads")
    first.leave()
    trainer.client.abort_multipart_upload(
        Bucket=BUCKET, Key=f"{MODEL}/candidates/x/model.safetensors", UploadId=first.upload_id
    )
    second = Multipart(trainer.client, uri, count=1, memory=tmp_path / "uploads")
    second.put(1, b"data")
    assert trainer.get_bytes("candidates/x/model.safetensors") == b"data"


def test_what_is_absent_is_told_from_what_is_denied(server: str, tmp_path: Path) -> None:
    reader, trainer = opened("reader", server, tmp_path), opened("trainer", server, tmp_path)
    trainer.put_bytes("blobs/rows", b"what a customer wrote")
    assert not trainer.exists("blobs/none") and trainer.exists("blobs/rows")
    for look in (trainer.get_bytes, trainer.get_used):
        with pytest.raises(MissingObject):
            look("blobs/none")
    with pytest.raises(StoreError, match="access denied"):
        reader.exists("blobs/rows")
    another = connect(bucket=BUCKET, prefix="models/another/", cache=tmp_path, endpoint_url=server, region="us-east-1",
                      access_key="reader", secret_key="reader-secret")  # fmt: skip
    with pytest.raises(StoreError, match="access denied"):  # nor may it list there
        another.get_bytes("versions/000001/manifest.json")


def test_who_may_not_store_what_would_be_trained_is_told_before_anything_is(server: str, tmp_path: Path) -> None:
    denied = {"reader": "versions", "trainer": "versions", "collector": "versions", "releaser": "candidates"}
    for role, below in denied.items():
        with pytest.raises(StoreError, match=rf"/{below}/: access denied .* nothing was trained"):
            require_right_to_publish(opened(role, server, tmp_path))
