"""S3 servers on this machine for `benchmarks.transfer`: the demo's, and others, which copy an object in other ways."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SEAWEED, CEPH, JUICEFS, MINISTACK, MOTO = "SeaweedFS", "Ceph", "JuiceFS", "ministack", "moto"
SERVERS = (SEAWEED, CEPH, JUICEFS, MINISTACK, MOTO)
HELD = "held"
VARIABLE = "UPKEEP_BENCH_SERVER"


def chosen() -> str:
    """The server that UPKEEP_BENCH_SERVER names; the demo's where it names none."""
    named = os.environ.get(VARIABLE, SEAWEED)
    if named not in SERVERS:
        raise ValueError(f"{VARIABLE}={named} is no server; known are {', '.join(SERVERS)}")
    return named


@contextmanager
def serving(name: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Arguments for `connect`, but for prefix and cache, while the server runs; and, of the embedded one, where it keeps
    what Upkeep's writes force to the disk."""
    folder.mkdir()
    if name == SEAWEED:
        from infra.local_store import BUCKET, held_in, local_store

        with local_store(folder) as found:
            yield {**_address(found.url, found.access_key, found.secret_key, BUCKET), HELD: str(held_in(folder))}
        return
    from tests import servers
    from tests.registry import ceph

    if name == CEPH and ceph.missing():
        raise FileNotFoundError(ceph.missing())
    kinds = {CEPH: ceph.ceph, JUICEFS: servers.juicefs, MINISTACK: servers.ministack, MOTO: servers.moto}
    with kinds[name](folder) as server:
        yield _address(server.url, server.access_key, server.secret_key, server.bucket)


def _address(url: str, access_key: str, secret_key: str, bucket: str) -> dict[str, Any]:
    return {"bucket": bucket, "endpoint_url": url, "region": "us-east-1", "access_key": access_key,
            "secret_key": secret_key}  # fmt: skip
