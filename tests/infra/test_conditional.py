"""Stores that keep conditional writes, and one that answers 200 to everything."""

from pathlib import Path

import pytest

from errors import KeyTaken, StoreError
from infra import conditional, single_writer
from infra.object_store import ObjectStore, connect
from tests.stores import address_of


def unconditional(store: ObjectStore, tmp_path: Path, *, single: bool, machine: str = "a") -> ObjectStore:
    """The same store by a client whose server ignores If-None-Match: the header is taken off before it is sent."""
    home = tmp_path / machine
    found = connect(**{**address_of(store), "cache": home / "cache"}, single_writer=single)

    def without_condition(params: dict[str, dict[str, str]], **_: object) -> None:
        params["headers"].pop("If-None-Match", None)

    found.client.meta.events.register("before-call.s3.PutObject", without_condition)
    return found


def test_a_store_that_keeps_conditions_is_found_out_by_a_race_and_remembered(
    store: ObjectStore, tmp_path: Path
) -> None:
    new = connect(**{**address_of(store), "cache": tmp_path / "new"})
    assert new.keeps_conditions
    assert not new.list_keys("probe/")
    (remembered,) = (new.cache / "stores").iterdir()
    assert '"winners": [1, 1, 1]' in remembered.read_text()


def test_one_race_that_two_have_won_is_enough_to_refuse_a_store_and_is_not_remembered(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    won = iter([1, 2, 1])
    monkeypatch.setattr(conditional, "race", lambda *place: next(won))
    assert not conditional.keeps_conditions(store.client, store.bucket, store.prefix, cache=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_store_that_ignores_the_condition_is_refused_with_the_reason(store: ObjectStore, tmp_path: Path) -> None:
    ignoring = unconditional(store, tmp_path, single=False)
    with pytest.raises(StoreError, match=r"does not keep `If-None-Match: \*`.*UPKEEP_S3_SINGLE_WRITER=true"):
        ignoring.put_bytes("aliases/champion/1.json", b"one", if_absent=True)
    assert not ignoring.exists("aliases/champion/1.json")


def test_a_store_that_was_mended_is_served_by_the_machine_that_was_refused(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not keep"):
        unconditional(store, tmp_path, single=False).put_bytes("log/1", b"one", if_absent=True)
    mended = ObjectStore(store.client, store.bucket, prefix=store.prefix, cache=tmp_path / "a" / "cache")
    mended.put_bytes("log/1", b"one", if_absent=True)
    assert mended.get_bytes("log/1") == b"one"


def test_one_writer_is_served_under_a_lock_where_nobody_else_writes(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_writer, "SETTLE_SECONDS", 0)
    first = unconditional(store, tmp_path, single=True)
    first.put_bytes("log/1", b"one", if_absent=True)
    with pytest.raises(KeyTaken):
        first.put_bytes("log/1", b"two", if_absent=True)
    assert first.get_bytes("log/1") == b"one"
    again = unconditional(store, tmp_path, single=True)
    again.put_bytes("log/2", b"two", if_absent=True)


def test_a_second_machine_is_refused_by_name(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_writer, "SETTLE_SECONDS", 0)
    monkeypatch.setattr(single_writer.socket, "gethostname", lambda: "first-host")
    unconditional(store, tmp_path, single=True).put_bytes("log/1", b"one", if_absent=True)
    with pytest.raises(StoreError, match=r"first-host has been the one writer.*delete this object"):
        unconditional(store, tmp_path, single=True, machine="b").put_bytes("log/2", b"two", if_absent=True)
    assert not store.exists("log/2")


def test_a_write_whose_answer_was_lost_is_known_by_its_bytes(store: ObjectStore) -> None:
    store.put_bytes("log/1", b"mine", if_absent=True)
    store.put_bytes("log/1", b"mine", if_absent=True)
    with pytest.raises(KeyTaken):
        store.put_bytes("log/1", b"theirs", if_absent=True)
