import hashlib
import os
from pathlib import Path

import pytest

from infra import hashing
from infra.hashing import Hashes
from tests.infra.transfers import sha256


def test_a_hash_is_worked_out_once_and_a_changed_file_is_never_believed_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, hashes, read = tmp_path / "f", Hashes(), []
    original = hashing.sha256_of
    monkeypatch.setattr(hashing, "sha256_of", lambda path: read.append(path) or original(path))
    file.write_bytes(b"one")
    assert hashes.of(file) == hashes.of(file) == sha256(file)
    assert len(read) == 2, "the file was written a moment ago: its time would not show that it was written again"
    monkeypatch.setattr(hashing, "SETTLED_NS", -1)
    assert hashes.of(file) == hashes.of(file)
    assert len(read) == 3
    before = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hashes.of(file) == hashlib.sha256(b"two").hexdigest()


def test_a_file_that_came_with_an_old_time_a_moment_ago_is_not_settled(tmp_path: Path) -> None:
    """As by `cp -p`."""
    file, hashes = tmp_path / "f", Hashes()
    file.write_bytes(b"one")
    os.utime(file, (0, 0))
    hashes.of(file)
    assert hashes.recall(file) is None


def test_a_file_that_changes_once_it_was_hashed_is_not_known_by_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, hashes, original = tmp_path / "f", Hashes(), hashing.sha256_of

    def change(path: Path) -> str:
        found = original(path)
        path.write_bytes(b"another")
        return found

    monkeypatch.setattr(hashing, "SETTLED_NS", -1)
    monkeypatch.setattr(hashing, "sha256_of", change)
    file.write_bytes(b"one")
    hashes.of(file)
    assert hashes.recall(file) is None


def test_the_hashes_of_many_files_come_in_their_order(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(10)]
    for path in paths:
        path.write_bytes(path.name.encode())
    assert Hashes().of_all(paths) == [sha256(path) for path in paths]
