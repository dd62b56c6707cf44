"""What SeaweedFS' own shell answers, where the embedded server is told to force what objects hold to the disk."""

from pathlib import Path

import pytest

from infra import local_store
from infra.local_server import PORTS, Endpoint

ENDPOINT = Endpoint("http://127.0.0.1:1", "a", "b", 1, dict.fromkeys(PORTS, 1))


@pytest.mark.parametrize(
    ("answer", "status", "forces"),
    [('"fsync":  true,', 0, True), ('"fsync": true,', 0, True), ('"fsync":  false,', 0, False), ("", 0, False),
     ('"fsync": true,', 1, False)],
)  # fmt: skip
def test_the_server_forces_however_many_spaces_its_program_writes(
    answer: str, status: int, forces: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte more in the program, as in one of another platform, and it writes one space instead of two."""
    shell = tmp_path / "weed"
    shell.write_text(f"#!/bin/sh\ncat > {tmp_path}/told\necho '{answer}'\nexit {status}\n")
    shell.chmod(0o755)
    monkeypatch.setattr(local_store, "weed", lambda: shell)
    assert local_store._forces(ENDPOINT) is forces
    assert "-fsync=true -apply" in (tmp_path / "told").read_text()


def test_a_server_whose_shell_hangs_is_not_believed_to_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weed").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "weed").chmod(0o755)
    monkeypatch.setattr(local_store, "weed", lambda: tmp_path / "weed")
    monkeypatch.setattr(local_store, "TOLD_SECONDS", 0.1)
    assert not local_store._forces(ENDPOINT)
