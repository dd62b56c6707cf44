"""Every object that Upkeep creates is encrypted as the spec says, however it is created."""

from pathlib import Path

import pytest

from errors import SpecError
from infra.encryption import encrypt_writes
from infra.multipart import Multipart
from infra.object_store import ObjectStore
from infra.overlay import overlay
from infra.settings import Settings
from infra.workspace import open_job_workspace, open_workspace
from models.sections import Storage
from tests.infra.specs import spec_with
from tests.servers import KEY, SECRET
from tests.stores import copy

LARGE = (16 << 20) + 1


@pytest.fixture
def s3_url(moto_url: str) -> str:
    """Of a server that takes any wish for encryption."""
    return moto_url


def write_in_every_way(store: ObjectStore, folder: Path) -> list[str]:
    store.put_bytes("bytes", b"x")
    store.put_bytes("conditional", b"x", if_absent=True)
    (folder / "small").write_bytes(b"x")
    (folder / "large").write_bytes(b"x" * LARGE)
    for name in ("small", "large"):
        store.put_file(name, folder / name)
        copy(store, name, f"copy-of-{name}")
    store.put_blob("kind", folder / "small")
    return store.list_keys("")


def test_every_way_of_writing_asks_for_the_encryption_of_the_spec(store: ObjectStore, tmp_path: Path) -> None:
    encrypt_writes(store.client, Storage(encryption="aws:kms", kms_key_id="arn:aws:kms:us-east-1:1:key/k"))
    keys = write_in_every_way(store, tmp_path)
    assert len(keys) == 7
    for key in keys:
        head = store.client.head_object(Bucket=store.bucket, Key=store.prefix + key)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "arn:aws:kms:us-east-1:1:key/k"), key


def test_an_upload_that_was_begun_before_the_spec_asked_for_encryption_is_not_gone_on_with(
    store: ObjectStore, tmp_path: Path
) -> None:
    """Its parts would become an object as it was asked for then."""

    def left() -> str:
        upload = Multipart(store.client, store.uri("k"), count=1, memory=tmp_path / "uploads")
        upload.leave()
        return upload.upload_id

    plain = left()
    encrypt_writes(store.client, Storage(encryption="aws:kms", kms_key_id="arn:aws:kms:us-east-1:1:key/k"))
    encrypted = left()
    assert encrypted != plain
    assert left() == encrypted


def test_a_workspace_writes_as_its_spec_says(
    store: ObjectStore, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"BUCKET": store.bucket, "ENDPOINT_URL": s3_url, "ACCESS_KEY": "k", "SECRET_KEY": "s"}.items():
        monkeypatch.setenv(f"UPKEEP_S3_{name}", value)
    for encryption, expected in (("AES256", "AES256"), ("none", None)):
        with open_workspace(tmp_path / "spec.yaml", spec_with(storage={"encryption": encryption})) as work:
            work.store.put_bytes(encryption, b"x")
            head = work.store.client.head_object(Bucket=store.bucket, Key=work.store.prefix + encryption)
            assert head.get("ServerSideEncryption") == expected


def test_a_key_without_kms_is_refused() -> None:
    with pytest.raises(SpecError, match="write encryption: aws:kms or drop it"):
        spec_with(storage={"encryption": "AES256", "kms_key_id": "k"})


# --- the keys of releases come the same way ---


def test_a_workspace_knows_the_keys_and_whether_a_signature_is_demanded_also_in_a_dry_run(
    store: ObjectStore, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "signing.key").write_text("PRIVATE")
    settings = {"S3_BUCKET": store.bucket, "S3_ENDPOINT_URL": s3_url, "S3_ACCESS_KEY": "k", "S3_SECRET_KEY": "s",
                "SIGNING_KEY_FILE": str(tmp_path / "signing.key"), "VERIFY_KEY": "PUBLIC"}  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(f"UPKEEP_{name}", value)
    with open_workspace(tmp_path / "spec.yaml", spec_with(release={"require_signature": True})) as work:
        keys = work.store.release_keys
        assert keys.private is not None
        assert (keys.private.get_secret_value(), keys.public, keys.required) == ("PRIVATE", "PUBLIC", True)
        assert "PRIVATE" not in repr(keys)
        with overlay(work.store) as dry:
            assert dry.release_keys == keys


def test_a_workspace_of_a_dry_run_keeps_nothing_and_its_home_is_where_the_settings_say(
    store: ObjectStore, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"S3_BUCKET": store.bucket, "S3_ENDPOINT_URL": s3_url, "S3_ACCESS_KEY": KEY, "S3_SECRET_KEY": SECRET, "HOME": "here",
                "API_KEYS": '{"https://api.example": "word"}'}  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(f"UPKEEP_{name}", value)
    monkeypatch.chdir(tmp_path)
    with open_workspace(tmp_path / "spec.yaml", spec_with(), dry_run=True) as work:
        assert work.store.api_keys.others
        work.store.put_bytes("k", b"dry")
        assert work.store.get_bytes("k") == b"dry"
        name = work.store.prefix
    with open_job_workspace(f"s3://{store.bucket}/{name}jobs/d/job.json", tmp_path / "elsewhere") as work:
        assert not work.store.exists("k")
        assert work.home == tmp_path / "here"


def test_a_key_that_is_given_twice_or_not_there_is_refused_by_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPKEEP_SIGNING_KEY_FILE", str(tmp_path / "lost.key"))
    with (
        pytest.raises(SpecError, match=r"UPKEEP_SIGNING_KEY_FILE: .*lost.key cannot be read"),
        open_workspace(tmp_path / "spec.yaml", spec_with()),
    ):
        pass
    monkeypatch.setenv("UPKEEP_SIGNING_KEY", "PLANTED")
    with pytest.raises(SpecError, match="both set") as caught, open_workspace(tmp_path / "spec.yaml", spec_with()):
        pass
    assert "PLANTED" not in str(caught.value)
    assert "PLANTED" not in repr(Settings())
