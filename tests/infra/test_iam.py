"""The IAM policies of infra/iam/: what they allow by their text, and what a real server refuses under them."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from errors import StoreError
from infra.keys import Keys
from infra.object_store import ObjectStore, connect
from infra.seaweed import PORTS, command, free_ports
from tasks.registry.aliases import read_alias
from tasks.registry.blobs import Kept
from tasks.registry.checks import pull
from tasks.registry.documents import NAMELESS
from tasks.registry.retention import Retention, collect
from tasks.registry.versions import list_versions
from tasks.runs import open_run_of
from tests.releases import moved, released, stored_candidate
from tests.runs_with_blobs import blob

FOLDER = Path(__file__).resolve().parent.parent.parent / "infra" / "iam"
ROLES = ("reader", "trainer", "releaser", "collector")
BUCKET, MODEL = "models-of-ours", "models/test"

WRITERS = {
    "blobs": {"trainer", "releaser"}, "candidates": {"trainer"}, "instruments": {"trainer"}, "jobs": {"trainer"}, "stages": {"trainer"}, "runs": {"trainer", "releaser"},
    "requests": {"trainer"}, "labels": {"trainer"}, "history": {"trainer", "releaser"}, "probe": {"trainer", "releaser"},
    "versions": {"releaser"}, "claims": {"releaser"}, "aliases": {"releaser"}, "moves": {"releaser"}, "tombstones": {"collector"},
    "approvals": {"releaser"},
}  # fmt: skip
"""Who writes what; a new kind of key must be decided upon here."""
ONLY_IF_ABSENT = {"claims/000001.json", "aliases/champion/1.json", "approvals/000001/answer.json", "history/1.json"}


def statements(role: str) -> list[dict[str, Any]]:
    text = (FOLDER / f"{role}.json").read_text().replace("BUCKET", BUCKET).replace("PREFIX", MODEL)
    found: list[dict[str, Any]] = json.loads(text)["Statement"]
    return found


def key_of(kind: str) -> str:
    """A record's."""
    return "versions/000001/manifest.json" if kind == "versions" else f"{kind}/x/y.json"


def allows(roles: str | list[str], action: str, key: str, *, if_absent: bool = False) -> bool:
    """What IAM would answer: something allows it and nothing denies it."""
    effects = set()
    for statement in (statement for role in _listed(roles) for statement in statements(role)):
        actions, resources = (_listed(statement[name]) for name in ("Action", "Resource"))
        applies = action in actions and any(fnmatchcase(f"arn:aws:s3:::{BUCKET}/{MODEL}/{key}", r) for r in resources)
        if applies and not ("Null" in statement.get("Condition", {}) and if_absent):
            effects.add(statement["Effect"])
    return effects == {"Allow"}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def kinds_of_keys() -> set[str]:
    """The first part of every key that `Keys` can make."""
    keys, samples = Keys(), {"alias": "champion", "kind": "rows", "stage": "s"}
    found = {value for value in vars(Keys).values() if isinstance(value, str) and "/" in value and "\n" not in value}
    for name, function in vars(Keys).items():
        if callable(function) and not name.startswith("_"):
            given = {
                k: samples.get(k, 1 if t is int else "x") for k, t in function.__annotations__.items() if k != "return"
            }
            found.add(getattr(keys, name)(**given))
    return {key.split("/")[0] for key in found}


def test_of_every_kind_of_key_it_is_decided_who_writes_it() -> None:
    assert kinds_of_keys() <= set(WRITERS)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_writes_what_it_must_and_nothing_else(role: str) -> None:
    for kind, writers in WRITERS.items():
        assert allows(role, "s3:PutObject", f"{kind}/x/y.json", if_absent=True) == (role in writers), kind


@pytest.mark.parametrize("role", ROLES)
def test_no_role_overwrites_what_was_released_or_deletes_the_log_of_it_and_only_gc_s_deletes_versions(
    role: str,
) -> None:
    released = {"versions/000001/manifest.json", "versions/000001/model.safetensors"}
    for key in ONLY_IF_ABSENT:
        assert not allows(role, "s3:DeleteObject", key)
    for key in {*ONLY_IF_ABSENT, "versions/000001/manifest.json"}:
        assert not allows(role, "s3:PutObject", key, if_absent=False)
    assert all(allows(role, "s3:DeleteObject", key) == (role == "collector") for key in released)
    assert not any(allows(role, "s3:DeleteObjectVersion", key) for key in ONLY_IF_ABSENT | released)


def test_who_collects_reads_no_row_and_no_weights() -> None:
    kinds = ("blobs/kept", "labels", "candidates", "versions/000001/model.safetensors")
    assert not any(allows("collector", "s3:GetObject", f"{kind}/x") for kind in kinds)
    assert not any(allows("collector", "s3:DeleteObject", f"{kind}/x.json") for kind in ("labels", "runs", "requests"))


def test_who_collects_reads_every_record_that_may_name_a_blob_and_gives_blobs_up_without_writing_any() -> None:
    records = [key_of(kind) for kind in kinds_of_keys() if not key_of(kind).startswith(NAMELESS)]
    assert records and all(allows("collector", "s3:GetObject", key) for key in records)
    assert allows("collector", "s3:PutObject", "blobs/kept/x.parquet.given-up")
    assert allows("collector", "s3:DeleteObject", "blobs/kept/x.parquet")
    assert not allows("collector", "s3:PutObject", "blobs/kept/x.parquet")


def test_a_reader_sees_releases_and_no_rows_of_data() -> None:
    assert allows("reader", "s3:GetObject", "versions/000001/model.safetensors")
    assert not any(allows("reader", "s3:GetObject", f"{kind}/x") for kind in ("blobs", "labels", "requests"))


# --- on a real server ---


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SeaweedFS with one identity a role, under the very files of infra/iam/ but for the one condition it lacks."""
    folder, ports = tmp_path_factory.mktemp("weed"), free_ports(len(PORTS))
    policies = [{"name": r, "document": {"Version": "2012-10-17", "Statement": _known_to_seaweed(r)}} for r in ROLES]
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


def _known_to_seaweed(role: str) -> list[dict[str, Any]]:
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
    assert {f"version {unwanted}", f"candidate {candidate.content_digest[:12]}", "upload of candidates/x/y"} <= removed
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
