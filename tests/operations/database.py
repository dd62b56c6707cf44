"""The Prefect server's database: PostgreSQL where this machine has it, as docs/operations.md asks for, else SQLite."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COMMANDS = ("initdb", "postgres", "pg_isready")
READY_SECONDS = 60
ACCOUNT = "postgres"
"""That PostgreSQL runs as where the tests are root's, which it refuses to be."""


@contextmanager
def postgres(port: int) -> Iterator[str | None]:
    """The address of a fresh database on loopback; None where PostgreSQL is not installed."""
    account: dict[str, Any] = {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": ()} if os.geteuid() == 0 else {}
    if not (all(map(shutil.which, COMMANDS)) and (not account or _is_there(ACCOUNT))):
        yield None
        return
    # Not below pytest's own folder, which nobody but its owner may enter.
    with tempfile.TemporaryDirectory(prefix="upkeep-postgres-") as folder:
        if account:
            shutil.chown(folder, ACCOUNT, ACCOUNT)
        with (Path(folder) / "log").open("wb") as log:
            subprocess.run(["initdb", "--pgdata", f"{folder}/data", "--username", "prefect", "--auth", "trust", "--no-sync"],
                           check=True, cwd=folder, stdout=log, stderr=log, **account)  # fmt: skip
            settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
            options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            process = subprocess.Popen(
                ["postgres", "-D", f"{folder}/data", "-p", str(port), *options],
                cwd=folder, stdout=log, stderr=log, **account,
            )  # fmt: skip
        try:
            _until_ready(port, process, Path(folder) / "log")
            yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)  # SIGTERM would wait for whoever is connected
            process.wait()


def _is_there(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True


def _until_ready(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while subprocess.run(["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode:
        alive = process.poll() is None and time.monotonic() < deadline
        assert alive, f"PostgreSQL did not start within {READY_SECONDS} s:\n{log.read_text()}"
        time.sleep(0.1)
