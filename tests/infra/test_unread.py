"""Real processes whose reader goes, as a worker goes that is killed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORK = """
import sys, time
from pathlib import Path
from rich.console import Console
from infra.unread import outlive_readers
{first}
console, deadline = Console(file=sys.stderr), time.monotonic() + 60
print("works", flush=True)
while not Path(sys.argv[1]).exists():
    assert time.monotonic() < deadline
    time.sleep(0.01)
time.sleep(0.2)
for line in range(3):
    print("a line", flush=True)
    console.print("a line of Prefect's log")
Path(sys.argv[2]).touch()
"""


def work_whose_reader_goes(folder: Path, first: str) -> tuple[int, bool]:
    """Exit status, and whether the work was done."""
    gone, done = folder / "gone", folder / "done"
    command = [sys.executable, "-c", WORK.format(first=first), str(gone), str(done)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout and process.stderr
    assert process.stdout.readline() == "works\n"
    process.stdout.close()
    process.stderr.close()
    gone.touch()
    return process.wait(), done.exists()


def test_work_goes_on_when_the_worker_is_dead_that_read_its_lines(tmp_path: Path) -> None:
    assert work_whose_reader_goes(tmp_path, "outlive_readers()") == (0, True)


def test_without_that_a_line_that_nobody_reads_ends_the_work(tmp_path: Path) -> None:
    status, done = work_whose_reader_goes(tmp_path, "")
    assert status
    assert not done


@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_process_without_stdout_or_stderr_has_nothing_to_watch(closed: str) -> None:
    code = f"import os; os.close({closed}); from infra.unread import outlive_readers; outlive_readers()"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True).returncode == 0
