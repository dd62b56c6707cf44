"""A setting that is wrong is told as such, by its name, and not as a bug."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from errors import SpecError
from infra.object_store import connect
from infra.settings import QUIET, TEMPORARY, Settings, keep_quiet, read_settings
from infra.workspace import open_job_workspace


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("UPKEEP_CACHE_DAYS", "0"), ("UPKEEP_S3_SINGLE_WRITER", "maybe"), ("UPKEEP_API_KEYS", '{"https://api.example":')],
)
def test_a_variable_that_cannot_be_read_is_named_and_its_value_is_not_shown(
    name: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, wrong)
    with pytest.raises(SpecError, match=f"^{name}: ") as caught:
        read_settings()
    assert wrong not in str(caught.value)


@pytest.mark.parametrize("name", [f"UPKEEP_{field.upper()}" for field in Settings.model_fields])
def test_a_variable_that_holds_nothing_is_unset(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a line `UPKEEP_API_KEYS=` of compose.env, or a template of which this machine needs no value, leaves it."""
    unset = read_settings()
    monkeypatch.setenv(name, "")
    assert read_settings() == unset


@pytest.mark.parametrize(
    "wrong", ["api.example", "api.example:8443/v1", "ftp://api.example", "https://", "https://api.example:x",
              "https://api.example:99999", "https://[api.example", "https://someone:planted@api.example", "planted"],
)  # fmt: skip
def test_an_address_of_a_key_that_is_none_of_a_server_is_refused_since_no_server_would_ever_get_that_key(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPKEEP_API_KEYS", json.dumps({"https://api.example/v1": "planted", wrong: "planted"}))
    with pytest.raises(SpecError, match=r"^UPKEEP_API_KEYS: address 2 of 2 .*write https://api.example.com") as caught:
        read_settings()
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("other", ["https://API.example:443", "https://api.example/v2", "https://api.example"])
def test_two_keys_for_one_server_are_refused_since_only_one_of_them_would_be_sent(
    other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = ", ".join(f'"{url}": "planted"' for url in ("http://api.example", "https://api.example", other))
    monkeypatch.setenv("UPKEEP_API_KEYS", f"{{{pairs}}}")
    with pytest.raises(SpecError, match=r"^UPKEEP_API_KEYS: two keys for https://api\.example: .*leave one") as caught:
        read_settings()
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["/team/", "/", "a//b/", "./a/", "a/..", "a/./b"])
def test_a_prefix_that_some_stores_would_change_or_list_as_empty_is_refused(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPKEEP_S3_PREFIX", prefix)
    with pytest.raises(SpecError, match=r"^UPKEEP_S3_PREFIX: a slash at the beginning.*write it as team/upkeep/"):
        read_settings()


@pytest.mark.parametrize("prefix", ["", "team/", "team/up.keep/", "team-", "tëam x/"])
def test_any_other_prefix_is_taken_as_it_is(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPKEEP_S3_PREFIX", prefix)
    assert read_settings().s3_prefix == prefix


@pytest.mark.parametrize(
    "name", ["UPKEEP_S3_ENDPOINT_URL", "UPKEEP_S3_ACCESS_KEY", "UPKEEP_S3_SECRET_KEY", "UPKEEP_S3_DATA"]
)
def test_settings_of_a_store_without_its_bucket_are_not_answered_by_the_embedded_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UPKEEP_S3_BUCKET", raising=False)
    monkeypatch.setenv(name, "https://store.example")
    job = "s3://bucket/models/test/jobs/d/job.json"
    with (
        pytest.raises(SpecError, match=f"{name} is set, and UPKEEP_S3_BUCKET is not"),
        open_job_workspace(job, tmp_path),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"endpoint_url": "http://[::1"}, r"UPKEEP_S3_ENDPOINT_URL .*write http://host:port"),
        ({"endpoint_url": "http://127.0.0.1:99999"}, r"UPKEEP_S3_ENDPOINT_URL .*write http://host:port"),
        ({"endpoint_url": "localhost:8333"}, r"UPKEEP_S3_ENDPOINT_URL .*write http://host:port"),
        ({"endpoint_url": "someone:secret-word@store:8333"}, r"UPKEEP_S3_ENDPOINT_URL .*write http://host:port"),
        ({"endpoint_url": "http://my store:8333"}, "Invalid endpoint"),
        ({"endpoint_url": "ftp://store:8333"}, r"UPKEEP_S3_ENDPOINT_URL .*write http://host:port"),
        ({"endpoint_url": "http://"}, r"UPKEEP_S3_ENDPOINT_URL .*write http://host:port"),
        ({"endpoint_url": "http://secret-word@store"}, "holds a user, a password or a query"),
        ({"endpoint_url": "http://:secret-word@store"}, "holds a user, a password or a query"),
        ({"endpoint_url": "http://store/?key=secret-word"}, "holds a user, a password or a query"),
        ({"secret_key": None}, "missing: aws_secret_access_key.*both keys or neither"),
        ({"region": "us east"}, "UPKEEP_S3_REGION"),
    ],
)
def test_settings_of_which_no_client_can_be_made_are_told_with_the_way_out(
    settings: dict[str, str | None], told: str, tmp_path: Path
) -> None:
    given = {"endpoint_url": "http://127.0.0.1:9", "region": "us-east-1", "access_key": "a", "secret_key": "b"}
    with pytest.raises(SpecError, match=told) as caught:
        connect(bucket="b", prefix="", cache=tmp_path, **{**given, **settings})  # type: ignore[arg-type]
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("bucket", ["my bucket", "bucket/team", "s3://bucket", "ein-kübel"])
def test_a_bucket_that_no_store_could_have_is_a_wrong_setting_and_no_failure_of_the_store(
    bucket: str, tmp_path: Path
) -> None:
    store = connect(bucket=bucket, prefix="p/", cache=tmp_path, endpoint_url="http://127.0.0.1:9", region="us-east-1",
                    access_key="a", secret_key="b")  # fmt: skip
    with pytest.raises(SpecError, match=f"s3://{bucket}/p/.* names no bucket.*UPKEEP_S3_BUCKET") as caught:
        store.get_bytes("k")
    assert "regex" not in str(caught.value)


def test_what_a_person_set_for_a_library_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in QUIET:
        monkeypatch.setenv(name, "mine")
    keep_quiet()
    assert {os.environ[name] for name in QUIET} == {"mine"}


@pytest.mark.parametrize("verbose", [False, True])
def test_what_upkeep_warns_of_is_told_once_in_the_terminal_though_prefects_log_is_not(
    verbose: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", raising=False)  # another test's command set it
    code = f"""
import logging
from infra.settings import prepare_environment
prepare_environment(verbose={verbose})
from prefect import flow
for name in ("flows.moving", "prefect.server", "flows.moving"):
    logging.getLogger(name).warning("%s warns", name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stderr.count("flows.moving warns"), "prefect.server warns" in done.stderr) == (2, verbose)


def test_the_server_that_ends_with_a_command_neither_registers_blocks_nor_looks_whether_they_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in TEMPORARY:
        monkeypatch.delenv(name, raising=False)  # another test's command set it
    code = """
from infra.settings import prepare_environment
prepare_environment(verbose=False)
from prefect.settings import get_current_settings
server = get_current_settings().server
print(server.register_blocks_on_start, server.memoize_block_auto_registration)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
