"""Real processes whose reader goes, as a worker goes that is killed."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
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


def piped() -> tuple[int, int]:
    reader, writer = os.pipe()
    return reader, writer


def by_sockets() -> tuple[int, int]:
    """As services write to systemd's journal."""
    reader, writer = socket.socketpair()
    return reader.detach(), writer.detach()


Ends = Callable[[], tuple[int, int]]
BOTH = pytest.mark.parametrize("ends", [piped, by_sockets])


def work_whose_reader_goes(folder: Path, first: str, ends: Ends) -> tuple[int, bool]:
    """Exit status, and whether the work was done."""
    gone, done = folder / "gone", folder / "done"
    command = [sys.executable, "-c", WORK.format(first=first), str(gone), str(done)]
    readers, (out, err) = zip(ends(), ends(), strict=True)
    process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err)
    for end in (out, err):
        os.close(end)
    with open(readers[1]), open(readers[0]) as lines:
        assert lines.readline() == "works\n"
    gone.touch()
    return process.wait(), done.exists()


@BOTH
def test_work_goes_on_when_the_worker_is_dead_that_read_its_lines(ends: Ends, tmp_path: Path) -> None:
    assert work_whose_reader_goes(tmp_path, "outlive_readers()", ends) == (0, True)


@BOTH
def test_without_that_a_line_that_nobody_reads_ends_the_work(ends: Ends, tmp_path: Path) -> None:
    status, done = work_whose_reader_goes(tmp_path, "", ends)
    assert status
    assert not done


@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_process_without_stdout_or_stderr_has_nothing_to_watch(closed: str) -> None:
    code = f"import os; os.close({closed}); from infra.unread import outlive_readers; outlive_readers()"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True).returncode == 0


def test_however_many_flows_a_process_runs_each_stream_is_watched_once() -> None:
    code = "import threading; from infra.unread import outlive_readers; [outlive_readers() for _ in range(9)]; print(threading.active_count())"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout == "3\n"
