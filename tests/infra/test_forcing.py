"""What SeaweedFS' own shell answers, where the embedded server is told to force what objects hold to the disk."""

from pathlib import Path

import pytest

from infra import local_store
from infra.local_server import PORTS, Endpoint

ENDPOINT = Endpoint("http://127.0.0.1:1", "a", "b", 1, dict.fromkeys(PORTS, 1))


@pytest.mark.parametrize(
    ("answer", "forces"),
    [('"fsync":  true,', True), ('"fsync": true,', True), ('"fsync":  false,', False), ("", False)],
)
def test_the_server_forces_however_many_spaces_its_program_writes(
    answer: str, forces: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte more in the program, as in one of another platform, and it writes one space instead of two."""
    shell = tmp_path / "weed"
    shell.write_text(f"#!/bin/sh\necho '{answer}'\n")
    shell.chmod(0o755)
    monkeypatch.setattr(local_store, "weed", lambda: shell)
    assert local_store._forces(ENDPOINT) is forces
