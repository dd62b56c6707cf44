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
