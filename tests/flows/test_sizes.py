"""Files are told in a unit in which they are not nothing."""

from datetime import UTC, datetime

from flows.cli_registry import _version_line
from flows.signed import Verified, describe_verified
from models.contracts import VersionLine


def test_a_hosted_model_s_version_of_three_small_files_is_not_of_no_size() -> None:
    line = VersionLine(version=1, aliases=(), parent=None, created_at=datetime(2026, 5, 1, tzinfo=UTC), run_id="r",
                       bytes=2900, measured=None, recipe="")  # fmt: skip
    found = Verified(model="m", version=1, files=3, bytes=2900, signed_by=None, note="not signed")
    assert "UTC       2.9 kB  first" in _version_line(line)
    assert "3 files, 2.9 kB, each" in describe_verified(found)
    assert "UTC      91.6 MB  first" in _version_line(line.model_copy(update={"bytes": 91_600_000}))
