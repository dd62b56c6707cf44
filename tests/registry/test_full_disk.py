"""The disk under the server fills up in the middle of a release."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from errors import StoreError
from infra.local_store import BUCKET, local_store
from infra.object_store import ObjectStore
from tasks.registry.aliases import read_alias
from tasks.registry.audit import audit
from tests.registry.conftest import address_on, opened
from tests.releases import moved, released, stored_candidate
from tests.servers import Server

DISK_MB, FILE_MB = 96, 4


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk is a mounted tmpfs, which needs root and the right to mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(store: ObjectStore, file: Path) -> int:
    """Files that the store took before it gave up."""
    for number in range(DISK_MB // FILE_MB + 1):
        try:
            store.put_file(f"fill/{number}", file)
        except StoreError as problem:
            assert "a full disk for one" in str(problem) or "is full" in str(problem)
            return number
    raise AssertionError("the disk took more than it holds")


@pytest.mark.slow
def test_a_full_disk_is_an_error_that_says_so_and_the_champion_stays_whole(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(FILE_MB << 20))
    with local_store(small) as server:
        store = opened(address_on(Server(server.url, server.access_key, server.secret_key, BUCKET), tmp_path / "cache"))
        candidate = stored_candidate(store, tmp_path / "model")
        moved(released(candidate, store), None, store)
        assert fill(store, tmp_path / "file") > 1
        with pytest.raises(StoreError):
            for number in range(2, 200):
                released(candidate, store, f"run-{number}")
        champion = read_alias("champion", store=store)
        assert champion is not None and champion.version == 1
        assert audit((), alias="champion", deep=True, store=store).misfits == ()
