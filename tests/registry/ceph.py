"""Ceph's object gateway on one monitor and one disk of a temporary folder: many companies' own S3 is this. It lets copies share
what they keep, and keeps conditional writes."""

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers import KEY, SECRET, Server, free_port, running

PROGRAMS = ("ceph-mon", "ceph-osd", "ceph", "ceph-authtool", "monmaptool", "radosgw", "radosgw-admin")
SETTINGS = """
[global]
fsid = {cluster}
keyring = {folder}/keyring
mon host = v2:127.0.0.1:{port}
public addr = 127.0.0.1
run dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
mon data = {folder}/mon
mon allow pool size one = true
mon data avail crit = 1
osd data = {folder}/osd
osd pool default size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd memory target = 1000000000
bluestore block create = true
bluestore block size = {disk}
rgw max chunk size = {stripe}
rgw obj stripe size = {stripe}
rgw put obj min window size = {window}
"""
DISK_BYTES = 30_000_000_000  # a sparse file
START_SECONDS = 60
STRIPE_BYTES = 16 << 20
"""A copy notes for each stripe that it is shared; Ceph's own setting is 4 MB, and four times as many notes."""


def missing() -> str:
    """What this machine lacks and how it gets it (Debian's packages); empty where it is all there."""
    absent = [program for program in PROGRAMS if not shutil.which(program)]
    return f"no {', '.join(absent)} here: apt install ceph-mon ceph-osd ceph-common radosgw" if absent else ""


@contextmanager
def ceph(folder: Path) -> Iterator[Server]:
    gateway, monitor, cluster = free_port(), free_port(), str(uuid.uuid4())
    for part in ("mon", "osd"):
        (folder / part).mkdir()
    settings = SETTINGS.format(cluster=cluster, folder=folder, port=monitor, disk=DISK_BYTES, stripe=STRIPE_BYTES,
                               window=2 * STRIPE_BYTES)  # fmt: skip
    (folder / "ceph.conf").write_text(settings)
    with ExitStack() as started:
        _set_up(folder, cluster, monitor, started)
        # Without nodelay each answer waits 40 ms for the next one (Ceph 16's default).
        frontend = ["--rgw-frontends", f"beast endpoint=127.0.0.1:{gateway} tcp_nodelay=1"]
        command = [
            "radosgw",
            *_settings(folder),
            "--name",
            "client.admin",
            "--no-mon-config",
            "--foreground",
            *frontend,
        ]
        yield started.enter_context(running(command, {}, folder, gateway))


def _set_up(folder: Path, cluster: str, monitor: int, started: ExitStack) -> None:
    """Keys for all that run, then the monitor, the disk and one user."""
    keys, settings, disk = str(folder / "keyring"), _settings(folder), str(uuid.uuid4())
    everything = [word for part in ("mon", "osd", "mgr") for word in ("--cap", part, "allow *")]
    _run("ceph-authtool", "--create-keyring", keys, "--gen-key", "--name", "mon.", "--cap", "mon", "allow *")
    for name in ("client.admin", "osd.0"):
        _run("ceph-authtool", keys, "--gen-key", "--name", name, *everything)
    _run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", f"[v2:127.0.0.1:{monitor}]", f"{folder}/monmap")
    _run("ceph-mon", *settings, "--mkfs", "--id", "a", "--monmap", f"{folder}/monmap", "--keyring", keys)
    _start(started, folder, "ceph-mon", *settings, "--id", "a", "--foreground")
    _run("ceph", *settings, "osd", "new", disk, "0")
    _run("ceph-osd", *settings, "--id", "0", "--mkfs", "--osd-uuid", disk)
    _start(started, folder, "ceph-osd", *settings, "--id", "0", "--foreground")
    add_user(folder, "proofs", access_key=KEY, secret_key=SECRET)


def add_user(folder: Path, name: str, *, access_key: str, secret_key: str) -> None:
    _run("radosgw-admin", *_settings(folder), "user", "create", f"--uid={name}", f"--display-name={name}",
         f"--access-key={access_key}", f"--secret-key={secret_key}")  # fmt: skip


def _settings(folder: Path) -> list[str]:
    return ["--conf", str(folder / "ceph.conf")]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")


def _start(started: ExitStack, folder: Path, *command: str) -> None:
    with (folder / f"{command[0]}.out").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    started.callback(process.wait)
    started.callback(os.killpg, process.pid, signal.SIGKILL)
