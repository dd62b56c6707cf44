"""The power of the machine with the store is cut at every write of a release: the embedded server, and compose's."""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from infra.files import Stored, force_to_disk, sha256_of
from infra.lasting import NAMES, WRITES, let_writes_last
from infra.local_store import BUCKET, held_in, local_store
from infra.object_store import ObjectStore
from models.contracts import Candidate
from tasks.registry.aliases import read_alias, read_log
from tasks.registry.audit import audit
from tasks.registry.pulling import pull
from tasks.registry.versions import list_versions
from tests.infra.transfers import Requests
from tests.registry.composed import composed_store
from tests.registry.conftest import Address, NewAddress, address_on, opened
from tests.registry.disks import Disk, new_disk
from tests.releases import moved, released, stored_candidate
from tests.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
Cuts = list[Disk]


@contextmanager
def embedded_store(folder: Path) -> Iterator[tuple[Server, Path]]:
    with local_store(folder) as server:
        yield Server(server.url, server.access_key, server.secret_key, BUCKET), held_in(folder)
        os.kill(server.pid, signal.SIGKILL)


Serve = Callable[[Path], AbstractContextManager[tuple[Server, Path]]]
EACH = pytest.mark.parametrize("serve", [embedded_store, composed_store])


@contextmanager
def served(disk: Disk, tmp_path: Path, serve: Serve) -> Iterator[tuple[Address, Path]]:
    """A server on a disk, whose power goes at the end, and where it keeps what it is given."""
    with disk.mounted() as folder, serve(folder / "store") as (server, data):
        yield {**address_on(server, tmp_path / f"{folder.name}-cache"), "prefix": "models/test/"}, data


def cut_at_each_write(store: ObjectStore, disk: Disk, *, first: Callable[[], None] = lambda: None) -> Cuts:
    """The disks that there will be. `first`: what happens at each moment before its power is cut."""
    cuts: Cuts = []
    lock = threading.Lock()

    def cut(**_: object) -> None:
        with lock:
            first()
            cuts.append(disk.cut(len(cuts)))

    for operation in WRITES:
        store.client.meta.events.register(f"after-call.s3.{operation}", cut)
    return cuts


def release(candidate: Candidate, store: ObjectStore) -> None:
    manifest = released(candidate, store, "run-2")
    if champion_of(store) == 1:
        moved(manifest, 1, store, "run-2")


def champion_of(store: ObjectStore) -> int | None:
    found = read_alias("champion", store=store)
    return found.version if found else None


def champion_afterwards(disk: Disk, candidate: Candidate, tmp_path: Path, serve: Serve) -> int | None:
    """The version that a reader loads after the power cut, whole; and the next run finishes the work."""
    with served(disk, tmp_path, serve) as (address, _):
        store = opened(address)
        champion = read_alias("champion", store=store)
        assert champion is not None
        pull(champion.manifest, tmp_path / "pulled", store=store)
        shutil.rmtree(tmp_path / "pulled")
        release(candidate, store)
        assert list_versions(store=store) == [1, 2]
        assert [entry.version for entry in read_log("champion", store=store)] == [2, 1]
        assert audit((), alias="champion", deep=True, store=store).misfits == ()
    disk.image.unlink()
    return champion.version


@EACH
def test_after_a_power_cut_what_was_answered_for_is_there_and_the_next_run_finishes_the_work(
    serve: Serve, tmp_path: Path
) -> None:
    disk = new_disk(tmp_path)
    with served(disk, tmp_path, serve) as (address, data):
        store = opened(address)
        let_writes_last(store.client, data)
        candidate = stored_candidate(store, tmp_path / "model")
        moved(released(candidate, store), None, store)
        cuts = cut_at_each_write(store, disk)
        release(candidate, store)
        told = [1] * len(cuts)
        told[-2:] = [2, 2]  # the alias' entry, and that its announcement is taken back
    assert len(cuts) >= 10
    assert [champion_afterwards(cut, candidate, tmp_path, serve) for cut in cuts] == told


@EACH
def test_a_write_that_was_on_its_way_at_a_power_cut_is_there_whole_or_made_again(serve: Serve, tmp_path: Path) -> None:
    """Also where the operating system brought the names of objects to the disk first, and nothing that they hold."""
    disk = new_disk(tmp_path)
    with served(disk, tmp_path, serve) as (address, data):
        store = opened(address)
        candidate = stored_candidate(store, tmp_path / "model")
        moved(released(candidate, store), None, store)
        os.sync()
        cuts = cut_at_each_write(store, disk, first=lambda: force_names(data))  # before what is below is called
        let_writes_last(store.client, data)
        release(candidate, store)
    assert {champion_afterwards(cut, candidate, tmp_path, serve) for cut in cuts} == {1, 2}


def force_names(data: Path) -> None:
    names = [path for path in (data / NAMES).rglob("*") if path.is_file()]
    assert names
    for path in names:
        force_to_disk(path)


def test_the_server_alone_loses_to_a_power_cut_what_it_has_answered_for(tmp_path: Path) -> None:
    """What the tests above would see, were nothing forced to the disk."""
    disk = new_disk(tmp_path)
    with served(disk, tmp_path, embedded_store) as (address, _):
        store = opened(address)
        candidate = stored_candidate(store, tmp_path / "model")
        os.sync()
        moved(released(candidate, store), None, store)
        cut = disk.cut(0)
    with served(cut, tmp_path, embedded_store) as (address, _):
        assert champion_of(opened(address)) is None


def test_what_was_fetched_into_the_cache_is_whole_after_a_power_cut(address: NewAddress, tmp_path: Path) -> None:
    """Its room on the disk is taken before its bytes come; what was lost would be fetched anew."""
    store, disk = opened(address()), new_disk(tmp_path)
    candidate = stored_candidate(store, tmp_path / "model")
    with disk.mounted() as folder:
        reader = connect_again(store, folder / "cache")
        reader.get_folder(candidate.prefix, candidate.files)
        reader.get_file(one_of(candidate, store))
        force_to_disk(folder / "cache")  # the names; not what is in the files
        cut = disk.cut(0)
    with cut.mounted() as folder:
        reader = connect_again(store, folder / "cache")
        asked = Requests(reader)
        copies = reader.get_folder(candidate.prefix, candidate.files)
        assert {file.path: sha256_of(copies / file.path) for file in candidate.files} == {
            file.path: file.sha256 for file in candidate.files
        }
        assert sha256_of(reader.get_file(one_of(candidate, store))) == candidate.files[0].sha256
        assert not asked.count["GetObject"]


def connect_again(store: ObjectStore, cache: Path) -> ObjectStore:
    return ObjectStore(store.client, store.bucket, prefix=store.prefix, cache=cache)


def one_of(candidate: Candidate, store: ObjectStore) -> Stored:
    file = candidate.files[0]
    return Stored(store.uri(candidate.prefix + file.path), file.sha256, file.bytes)
