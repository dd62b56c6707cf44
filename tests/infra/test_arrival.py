"""What a process left of a file on its way here, as the next one finds it."""

import errno
import fcntl
import os
import resource
from pathlib import Path
from typing import IO

import pytest

from errors import FullDisk, StoreError
from infra.arrival import Arrival
from infra.files import draft_of
from infra.object_store import ObjectStore
from infra.transfer import Span
from tests.infra.transfers import Requests

SIZE = 40
SPANS = {number: Span(number, 10 * (number - 1), 10) for number in range(1, 5)}


def arriving(folder: Path, *numbers: int, etag: str = "e", size: int = SIZE) -> Arrival:
    """An arrival of which so many spans come, and then its process dies; with what it had found."""
    file = Arrival(folder / "k", uri="s3://b/k", etag=etag, size=size)
    found = set(file.arrived)
    for number in numbers:
        file.write(b"x" * 10, SPANS[number].start)
        file.finish(SPANS[number])
    file.close()
    file.arrived = found
    return file


def test_a_line_of_the_journal_that_was_cut_off_is_no_span_and_makes_no_other_one_of_the_next(tmp_path: Path) -> None:
    """Who knows no SHA-256 of the object would take the hole of span 12 for its bytes."""
    arriving(tmp_path, 1)
    with (tmp_path / ".k.arrived").open("a") as journal:
        journal.write("1")
    assert arriving(tmp_path, 2).arrived == {1}
    assert arriving(tmp_path).arrived == {1, 2}


def test_what_came_of_another_object_is_not_gone_on_with_and_what_came_since_is(tmp_path: Path) -> None:
    arriving(tmp_path, 1, 2)
    assert arriving(tmp_path, 3, etag="another").arrived == set()
    assert arriving(tmp_path, etag="another").arrived == {3}
    assert arriving(tmp_path, etag="another", size=SIZE - 1).arrived == set()


def test_of_a_longer_object_nothing_is_left_behind_the_bytes_of_a_shorter_one(tmp_path: Path) -> None:
    """The bytes that came are hashed, and not those behind them."""
    arriving(tmp_path, 1, 2, 3, 4)
    arriving(tmp_path, 1, 2, etag="another", size=20)
    assert (tmp_path / ".k.part").read_bytes() == b"x" * 20


def test_who_fetches_a_file_that_another_is_at_writes_to_a_part_of_its_own(tmp_path: Path) -> None:
    first, second = (Arrival(tmp_path / "k", uri="s3://b/k", etag="e", size=1) for _ in range(2))
    first.write(b"1", 0)
    second.write(b"2", 0)
    for file, data in ((first, b"1"), (second, b"2")):
        file.appear(lasting=False)
        file.close()
        assert (tmp_path / "k").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


def test_where_the_store_does_not_tell_one_object_from_another_nothing_is_gone_on_with(tmp_path: Path) -> None:
    arriving(tmp_path, 1, etag="")
    assert arriving(tmp_path, etag="").arrived == set()


@pytest.mark.parametrize("left", [b"", b"x" * (SIZE - 1)])
def test_a_journal_whose_file_is_gone_or_was_cut_off_says_nothing(left: bytes, tmp_path: Path) -> None:
    arriving(tmp_path, 1)
    (tmp_path / ".k.part").write_bytes(left)
    assert arriving(tmp_path, 1).arrived == set()
    (tmp_path / ".k.part").unlink()
    assert arriving(tmp_path).arrived == set()


def test_what_came_is_gone_on_with_also_where_no_room_can_be_taken_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS."""
    monkeypatch.delattr(os, "posix_fallocate")
    arriving(tmp_path, 1)
    assert arriving(tmp_path).arrived == {1}


def test_a_span_is_read_from_its_beginning_to_its_end_and_no_further(tmp_path: Path) -> None:
    file = Arrival(tmp_path / "a" / "b" / "k", uri="s3://b/k", etag="e", size=SIZE)
    file.write(bytes(range(SIZE)), 0)
    assert b"".join(file.read(SPANS[2])) == bytes(range(10, 20))


def test_what_a_disk_takes_only_in_part_at_once_is_written_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, data[:3], at))
    arriving(tmp_path, 1, 2)
    assert (tmp_path / ".k.part").read_bytes()[:20] == b"x" * 20


def test_what_is_no_full_disk_is_not_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwrite", break_down)
    with pytest.raises(OSError, match="Input/output error"):
        arriving(tmp_path, 1)


@pytest.mark.parametrize("full", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_by_now_keeps_nothing_of_what_had_arrived(
    full: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(full, "full")

    arriving(tmp_path, 1)
    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(FullDisk, match=r"the disk is full\. Nothing incomplete was left behind"):
        arriving(tmp_path, 2)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_while_a_file_is_fetched_is_told_and_what_had_arrived_goes_once(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    (tmp_path / "small").write_bytes(b"small")
    stored = store.put_file("k", tmp_path / "small")
    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(FullDisk, match="k needs 5 bytes"):
        store.download(stored, tmp_path / "back" / "k")
    assert list((tmp_path / "back").iterdir()) == []


def test_who_lets_go_of_a_file_that_has_not_arrived_leaves_it_to_the_next_at_once(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    first = arriving(tmp_path, 1)
    assert len(os.listdir("/dev/fd")) == before
    assert arriving(tmp_path).part == first.part


def test_a_journal_whose_owner_ends_as_another_process_opens_it_is_not_that_one_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock would keep nobody away from the next one of that name."""
    lock = fcntl.flock

    def end_first(journal: IO[str], how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        Path(journal.name).unlink()
        lock(journal, how)

    monkeypatch.setattr(fcntl, "flock", end_first)
    arriving(tmp_path, 1)
    assert len(list(tmp_path.iterdir())) == 2
    assert not (tmp_path / ".k.part").exists()


def test_a_file_that_somebody_cuts_off_while_it_arrives_is_told_as_that(tmp_path: Path) -> None:
    file = Arrival(tmp_path / "k", uri="s3://b/k", etag="e", size=SIZE)
    file.part.write_bytes(b"")
    with pytest.raises(StoreError, match="was cut off by somebody else; run again"):
        list(file.read(SPANS[1]))


def test_a_file_that_is_larger_than_a_user_may_write_is_told_as_a_full_disk_and_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(FullDisk, match="k needs 2,000 bytes"):
            Arrival(tmp_path / "k", uri="s3://b/k", etag="e", size=2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_room_for_the_journal_alone_nothing_is_left_either(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(FullDisk, match="k needs 1 bytes"):
            Arrival(tmp_path / "k", uri="s3://b/k", etag="e" * 1000, size=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["k" * 255, "語" * 85], ids=["ascii", "three bytes each"])
def test_a_file_arrives_under_the_longest_name_that_there_is(name: str, store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"small")
    target = tmp_path / name
    store.download(store.put_file("k", tmp_path / "small"), target)
    assert target.read_bytes() == b"small"


def test_a_folder_is_made_under_the_longest_name_that_there_is(tmp_path: Path) -> None:
    folder = tmp_path / ("𝔘" * 63)  # four bytes each
    with draft_of(folder, "c" * 64) as draft:
        draft.replace(folder)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_of_another_content_is_fetched_over_and_one_of_the_recorded_is_left_alone(
    store: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "small").write_bytes(b"small")
    stored, target = store.put_file("k", tmp_path / "small"), tmp_path / "back"
    target.write_bytes(b"other")
    store.download(stored, target)
    assert target.read_bytes() == b"small"
    asked = Requests(store)
    store.download(stored, target)
    assert not asked.count
