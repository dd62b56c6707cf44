"""A place of its own for a benchmark: a folder, or an object store in this process (moto); gone when it ends."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.object_store import ObjectStore, connect


def scratch_folder() -> "TemporaryDirectory[str]":
    """Also for an embedded store, which ends a moment after its last user and writes until then."""
    return TemporaryDirectory(prefix="upkeep-bench-", ignore_cleanup_errors=True)


@contextmanager
def scratch_store() -> Iterator[ObjectStore]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with scratch_folder() as folder:
        store = connect(
            bucket="bench", prefix="models/bench/", cache=Path(folder), endpoint_url=f"http://{host}:{port}",
            region="us-east-1", access_key="bench", secret_key="bench",
        )  # fmt: skip
        store.client.create_bucket(Bucket=store.bucket)
        yield store
    server.stop()
