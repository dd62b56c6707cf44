"""Credentials never leave the settings: recognisable ones are planted, then everything that was written is read."""

import logging
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from errors import SpecError, StoreError, UpkeepError, redacted
from flows import cli
from flows.bootstrap import bootstrap
from flows.inspect import pull_version, read_status
from flows.signed import verify_version
from infra.object_store import ObjectStore
from infra.settings import Settings
from tasks.security.keys import PRIVATE, make_keys
from tests.flows.conftest import Home
from tests.infra.specs import spec_with
from tests.tiny import sentences

ROOT = Path(__file__).resolve().parent.parent.parent
ACCESS, SECRET = "AKIAPLANTEDACCESSKEY", "planted+secret/0123456789abcdefghijklmno"
TOKEN = "cGxhbnRlZC1zZXNzaW9uLXRva2Vu"
PRESIGNED = f"X-Amz-Credential={ACCESS}%2F20261124&X-Amz-Security-Token={TOKEN}&X-Amz-Signature={'5eed' * 16}"
OURS = ("flows", "tasks", "infra", "models")


class Planted:
    """What was planted, and the search for it."""

    def __init__(self, pem: str) -> None:
        body = [line for line in pem.splitlines() if "-----" not in line]
        self.words = [ACCESS, SECRET, TOKEN, "5eed" * 4, *body]

    def found_in(self, text: str | bytes) -> list[str]:
        shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return [word for word in self.words if word in shown]


@pytest.fixture
def s3_url(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a server that takes any key, and keeps no two writers apart where cores are busy."""
    monkeypatch.setenv("UPKEEP_S3_SINGLE_WRITER", "true")
    return moto_url


@pytest.fixture
def planted(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planted:
    make_keys(tmp_path / "keys")
    pem = (tmp_path / "keys" / PRIVATE).read_text()
    settings = {"UPKEEP_S3_ACCESS_KEY": ACCESS, "UPKEEP_S3_SECRET_KEY": SECRET, "UPKEEP_SIGNING_KEY": pem,
                "AWS_SESSION_TOKEN": TOKEN, "HF_TOKEN": TOKEN, "PRESIGNED": f"https://store/x?{PRESIGNED}"}  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    home.write_spec(model={"source": "model", "max_tokens": 16, "adopt": True}, release={"require_signature": True})
    home.receive("day-0", sentences(300))
    return Planted(pem)


class Echo(BaseHTTPRequestHandler):
    """A server (or a proxy before one) that refuses, and repeats in its answer all that it was sent."""

    status, code = 403, "SignatureDoesNotMatch"

    def answer(self) -> None:
        told = " ".join(f"{name}: {value}" for name, value in self.headers.items()).replace("<", "").replace("&", "")
        body = f"<Error><Code>{self.code}</Code><Message>You sent {told}</Message></Error>".encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(b"" if self.command == "HEAD" else body)

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        pass


class Puzzled(Echo):
    """One whose words are shown, since they are the only reason that there is."""

    status, code = 400, "InvalidRequest"


class Cut(Echo):
    """One that cuts every connection."""

    def answer(self) -> None:
        self.connection.close()


@pytest.fixture(params=[Echo, Puzzled, Cut], ids=["refuses", "is puzzled", "cuts"])
def hostile(request: pytest.FixtureRequest) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), request.param)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def everything_written(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


def upkeep(*arguments: object) -> str:
    command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ})
    return f"exit {done.returncode}\n{done.stdout}{done.stderr}"


@pytest.mark.slow
def test_a_release_and_all_that_is_done_with_it_write_no_credential_anywhere(
    home: Home, planted: Planted, store: ObjectStore,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in OURS:
        caplog.set_level(logging.DEBUG, logger=name)
    bootstrap(home.spec, force=True)
    assert verify_version(home.spec, "1").signed_by is not None
    pull_version(home.spec, "champion", home.folder / "pulled")
    told = upkeep("verify", home.spec)
    assert told.startswith("exit 0"), told
    assert "signed by the key" in told
    written = [*everything_written(home.folder), *((key, store.get_bytes(key)) for key in store.list_keys(""))]
    assert any(name.endswith("model.sig") for name, _ in written)
    assert any(name.endswith(".html") for name, _ in written)
    shown = [("log", caplog.text), ("terminal", "".join(capfd.readouterr())), ("command", told),
             ("settings", repr(Settings()))]  # fmt: skip
    assert {name: planted.found_in(text) for name, text in [*written, *shown] if planted.found_in(text)} == {}


def test_no_failing_call_shows_a_credential_even_where_the_server_repeats_them(
    home: Home, planted: Planted, hostile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPKEEP_S3_ENDPOINT_URL", hostile)
    monkeypatch.setattr("time.sleep", lambda _: None)  # boto waits between its tries
    with pytest.raises(StoreError) as caught:
        read_status(home.spec)
    whole = "".join(traceback.format_exception(caught.value))
    assert "The above exception was the direct cause" in whole
    assert planted.found_in(whole) == []


def test_wrong_settings_are_told_without_what_they_hold(
    home: Home, planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = os.environ["UPKEEP_SIGNING_KEY"]
    wrong = {
        "UPKEEP_S3_BUCKET": ("no-such-bucket", "the bucket does not exist"),
        "UPKEEP_SIGNING_KEY": (key[:-40], "UPKEEP_SIGNING_KEY is no private key"),
        "UPKEEP_VERIFY_KEY": (key, "UPKEEP_VERIFY_KEY is no public key"),
        "UPKEEP_SIGNING_KEY_FILE": (str(tmp_path / "keys" / PRIVATE), "both set"),
        "UPKEEP_S3_ENDPOINT_URL": (f"http://127.0.0.1:9/?{PRESIGNED}", "holds a user, a password or a query"),
    }
    for name, (value, told) in wrong.items():
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            with pytest.raises(UpkeepError, match=told) as caught:
                bootstrap.fn(home.spec, force=True)
        assert planted.found_in("".join(traceback.format_exception(caught.value))) == [], name


def test_keys_of_apis_that_cannot_be_read_are_told_without_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in (f'{{"https://api.example": "{TOKEN}"', f'["{TOKEN}"]', f'{{"a": ["{TOKEN}"]}}'):
        monkeypatch.setenv("UPKEEP_API_KEYS", wrong)
        with pytest.raises(ValueError, match="api_keys") as caught:
            Settings()
        assert TOKEN not in "".join(traceback.format_exception(caught.value)), wrong


def test_a_setting_that_cannot_be_read_is_told_without_its_value() -> None:
    with pytest.raises(ValueError, match="s3_secret_key") as caught:
        Settings(s3_secret_key=20261124)  # type: ignore[arg-type]
    assert "20261124" not in str(caught.value)


def test_a_password_in_the_address_of_the_store_is_refused_and_not_repeated(
    home: Home, planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPKEEP_S3_ENDPOINT_URL", f"http://{ACCESS}:{TOKEN}@127.0.0.1:9")
    with pytest.raises(SpecError, match="UPKEEP_S3_ENDPOINT_URL holds a user") as caught:
        read_status(home.spec)
    assert planted.found_in("".join(traceback.format_exception(caught.value))) == []


def test_a_bug_s_traceback_shows_no_password_of_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        try:
            raise ValueError(f"400 for url 'http://me:{TOKEN}@prefect/api/work_pools/'")
        except ValueError as problem:
            raise RuntimeError(f"asked http://me:{TOKEN}@prefect/api") from problem

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(RuntimeError, match="asked http://") as caught:
        cli.main()
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("changes", [
    {"data": {"sources": [f"https://store/rows.csv?{PRESIGNED}"]}}, {"data": {"sources": [f"s3://key:{TOKEN}@bucket/rows"]}},
    {"model": {"source": f"s3://key:{TOKEN}@bucket/model"}}, {"model": {"source": f"https://user:{TOKEN}@hub/model"}},
    {"evaluation": {"entailment_model": f"https://hub/model?token={TOKEN}"}},
    {"evaluation": {"judge": {"reward_model": f"s3://key:{TOKEN}@bucket/model"}}},
    {"evaluation": {"judge": {"api": {"url": f"https://api/v1?api-key={TOKEN}", "model": "m"}}}},
    {"model": {"hosted": {"url": "https://api/v1", "model": "m", "api_key": TOKEN}}}, {"storage": {"secret_key": TOKEN}},
    {"storage": {"credentials": {"secret": TOKEN}}}, {"passwords": [TOKEN]}, {"model": {"source": f"org/model?token={TOKEN}"}},
    {"data": {"sources": [f"s3://bucket/rows.csv?{PRESIGNED}"]}}, {"data": {"sources": [f"rows.csv?sv=2026&sig={TOKEN}"]}},
    {"model": {"source": f"s3://bucket/model?AWSAccessKeyId={ACCESS}&Signature={TOKEN}&Expires=1"}},
])  # fmt: skip
def test_a_credential_in_a_spec_is_refused_before_the_spec_is_stored_and_not_repeated(changes: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="is refused") as caught:
        spec_with(**changes)
    shown = "".join(traceback.format_exception(caught.value))
    assert [word for word in (TOKEN, ACCESS, "5eed") if word in shown] == []


def test_a_question_mark_that_stands_for_a_letter_and_names_that_say_a_column_s_value_are_no_credentials() -> None:
    sources = ("s3://bucket/day=2026-11-24/key=3/rows.csv", "day=2026-??/rows-?.csv", "s3://bucket/what?/rows.csv")
    found = spec_with(data={"sources": list(sources)}, model={"source": "org/sk-a-long-name-of-one"})
    assert found.data.sources == sources


def test_what_looks_like_a_credential_is_struck_out_and_the_rest_is_left() -> None:
    assert redacted("s3://b/models/x@champion: access denied") == "s3://b/models/x@champion: access denied"
    assert redacted("http://h:9/models/x@champion: no") == "http://h:9/models/x@champion: no"
    assert redacted("no valid signature: see http://u:p@host/x") == "no valid signature: see http://***@host/x"
    assert redacted("no: Bearer abc.def-1 and sk-proj-0123456789ab") == "no: Bearer *** and ***"
    assert redacted("GET /x?api-version=1&sig=a%2Fb&key=k y") == "GET /x?api-version=1&sig=***&key=*** y"
    assert redacted(f"GET /x?{PRESIGNED} failed") == (
        "GET /x?X-Amz-Credential=***&X-Amz-Security-Token=***&X-Amz-Signature=*** failed")  # fmt: skip


@pytest.mark.parametrize("told", [
    "http://u:PLANTED@PLANTED@host/x", "http://u:PLANTED/PLANTED@host:9", "http://PLANTED@host", "Proxy-Authorization: Basic UExBTlRFRA==PLANTED",
    "{'authorization': 'basic PLANTED='}", "{'x-amz-security-token': 'PLANTED/+='}", "hf_PLANTED0123456789abcdef01234567",
    "the key pnu_PLANTED0123456789", "ASIAPLANTED012345678", "-----BEGIN EC PRIVATE KEY-----\nPLANTED",
    "-----BEGIN PRIVATE KEY-----\nPLANTED\n-----END PRIVATE KEY-----", "x?AWSAccessKeyId=PLANTED&Expires=1",
    "https://blob/x?sv=2026&sig=PLANTED%2F", "https://store/x?X-Goog-Signature=PLANTED", "https://api/v1?api-key=PLANTED",
    "Credential=PLANTED/2026, SignedHeaders=host, Signature=PLANTED", "x-amz-signature: PLANTED",
])  # fmt: skip
def test_a_credential_is_struck_out_however_it_is_carried(told: str) -> None:
    shown = str(UpkeepError(f"before {told} after"))
    assert "PLANTED" not in shown and "***" in shown
    assert shown.startswith("before ") and (shown.endswith(" after") or "BEGIN" in told)
