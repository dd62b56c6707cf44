"""Stores that keep conditional writes, and one that answers 200 to everything."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from errors import CorruptObject, KeyTaken, StoreError
from infra import conditional, single_writer
from infra.object_store import ObjectStore, connect
from tests.infra.transfers import Requests
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
    asked = Requests(new)
    assert new.keeps_conditions
    assert asked.count["PutObject"] == 3 * (8 + 1), "three times eight writers, and one that comes late"
    assert not new.list_keys("probe/")
    (remembered,) = (new.cache / "stores").iterdir()
    assert '"winners": [1, 1, 1]' in remembered.read_text()


@pytest.mark.parametrize("winners", [2, 0])
def test_one_race_that_two_or_none_have_won_is_enough_to_refuse_a_store_and_is_not_remembered(
    winners: int, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    won = iter([1, winners, 1])
    monkeypatch.setattr(conditional, "race", lambda *place: next(won))
    assert not conditional.keeps_conditions(store.client, store.bucket, store.prefix, cache=tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("remembered", [[], [1], [1, 2, 1]])
def test_what_is_remembered_of_fewer_races_or_of_one_that_two_have_won_is_not_relied_on(
    remembered: list[int], store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    won = iter([1, 1, 1])
    monkeypatch.setattr(conditional, "race", lambda *place: next(won))
    conditional.remember(remembered, store.client, store.bucket, cache=tmp_path)
    assert conditional.keeps_conditions(store.client, store.bucket, store.prefix, cache=tmp_path)
    assert next(won, None) is None


def test_who_is_killed_while_it_remembers_what_a_store_keeps_leaves_nothing_that_cannot_be_read(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, text: str) -> None:
        path.touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as during, pytest.raises(KeyboardInterrupt):
        during.setattr(Path, "write_text", killed)
        conditional.remember([1, 1, 1], store.client, store.bucket, cache=tmp_path)
    assert list((tmp_path / "stores").iterdir()) == []


@pytest.mark.slow
def test_a_store_that_keeps_apart_only_those_who_come_together_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    def ignore_the_late_one(params: dict[str, object], **_: object) -> None:
        if params["Body"] == str(conditional.WRITERS).encode():
            del params["IfNoneMatch"]

    new = connect(**{**address_of(store), "cache": tmp_path / "new"})
    new.client.meta.events.register("provide-client-params.s3.PutObject", ignore_the_late_one)
    assert not new.keeps_conditions


def refused(status: int) -> ClientError:
    return ClientError({"Error": {"Code": "Refused"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")  # type: ignore[arg-type, typeddict-item]


@pytest.mark.parametrize(("status", "won"), [(409, 1), (412, 1), (501, 0)])
def test_a_race_is_not_disturbed_by_how_its_losers_are_refused(
    status: int, won: int, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = store.client.put_object

    def put(**names: object) -> None:
        if status == 501:
            raise refused(status)
        try:
            create(**names)
        except ClientError as problem:
            raise refused(status) from problem

    monkeypatch.setattr(store.client, "put_object", put)
    assert conditional.race(store.client, store.bucket, f"{store.prefix}probe/race") == won
    assert not store.list_keys("probe/")


def test_a_race_whose_winner_lost_the_answer_has_a_winner_and_one_that_may_not_write_is_no_race(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = store.client.put_object

    def put(**names: object) -> None:
        create(**names)
        raise refused(412)  # to its repetition

    monkeypatch.setattr(store.client, "put_object", put)
    assert conditional.race(store.client, store.bucket, f"{store.prefix}probe/race") == 1

    def may_not(**_: object) -> None:
        raise refused(403)

    monkeypatch.setattr(store.client, "put_object", may_not)
    with pytest.raises(StoreError, match="access denied"):
        conditional.race(store.client, store.bucket, f"{store.prefix}probe/race")


def test_what_was_found_of_a_store_is_known_of_that_bucket_on_that_server_alone(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raced: list[str] = []

    def race(client: Any, bucket: str, key: str) -> int:
        raced.append(key)
        return 1

    monkeypatch.setattr(conditional, "race", race)
    elsewhere = connect(**{**address_of(store), "endpoint_url": "http://127.0.0.1:9"})
    places = [(store.client, "one"), (store.client, "two"), (elsewhere.client, "one"), (store.client, "one")]
    for client, bucket in places:
        assert conditional.keeps_conditions(client, bucket, "", cache=tmp_path / "new")
    assert len(set(raced)) == 3 * conditional.ROUNDS, "each for another key, since others may race at the same time"


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
    asked = Requests(first)
    with pytest.raises(KeyTaken):
        first.put_bytes("log/1", b"two", if_absent=True)
    assert first.get_bytes("log/1") == b"one"
    assert asked.count["GetObject"] == 2, "whose store it is was asked once"
    again = unconditional(store, tmp_path, single=True)
    again.put_bytes("log/2", b"two", if_absent=True)


def test_a_second_machine_is_refused_by_name(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_writer, "SETTLE_SECONDS", 0)
    monkeypatch.setattr(single_writer.socket, "gethostname", lambda: "first-host")
    unconditional(store, tmp_path, single=True).put_bytes("log/1", b"one", if_absent=True)
    with pytest.raises(
        StoreError, match=r"first-host has been the one writer of this store since 20\S*\+00:00,.*delete this object"
    ):
        unconditional(store, tmp_path, single=True, machine="b").put_bytes("log/2", b"two", if_absent=True)
    assert not store.exists("log/2")


@pytest.mark.parametrize(
    "claim", [b"", b"not json", b"\xff", b"[1]", b"{}", b'{"writer": "a", "host": "b"}', b"x" * 1000]
)
def test_a_claim_that_cannot_be_read_is_told_with_what_it_says_and_nothing_is_written(
    claim: bytes, store: ObjectStore, tmp_path: Path
) -> None:
    store.put_bytes(single_writer.OWNER, claim)
    with pytest.raises(CorruptObject, match=rf"writer.json .*{re.escape(repr(claim[:80]))}\. .*delete this object"):
        unconditional(store, tmp_path, single=True).put_bytes("log/1", b"one", if_absent=True)
    assert not store.exists("log/1")


def test_processes_of_the_one_machine_that_writes_are_held_apart(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_writer, "SETTLE_SECONDS", 0)
    writers = [unconditional(store, tmp_path, single=True) for _ in range(4)]
    for number, writer in enumerate(writers):
        writer.put_bytes(f"log/of-{number}", b"one", if_absent=True)
        writer.client.meta.events.register("before-call.s3.PutObject", lambda **_: time.sleep(0.3))

    def create(number: int) -> bool:
        try:
            writers[number].put_bytes("log/1", str(number).encode(), if_absent=True)
        except KeyTaken:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(create, range(4))) == 1


@pytest.mark.parametrize("gone", [False, True])
def test_a_machine_whose_claim_was_written_over_or_deleted_while_it_waited_is_refused(
    gone: bool, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_claims(seconds: float) -> None:
        assert seconds == 2
        claim = {"writer": "another", "host": "second-host", "since": "now"}
        store.put_bytes(single_writer.OWNER, json.dumps(claim).encode())
        if gone:
            store.delete(single_writer.OWNER)

    monkeypatch.setattr(single_writer, "time", SimpleNamespace(sleep=another_claims))
    told = "writer.json .*was deleted while .*[Rr]un again" if gone else "second-host has been the one writer"
    with pytest.raises(StoreError, match=told):
        unconditional(store, tmp_path, single=True).put_bytes("log/1", b"one", if_absent=True)
    assert not store.exists("log/1")


def test_machines_that_were_killed_while_each_made_up_its_name_are_not_taken_for_one(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_writer, "SETTLE_SECONDS", 0)
    writers = [unconditional(store, tmp_path, single=True, machine=machine) for machine in ("a", "b")]
    assert not any(writer.keeps_conditions for writer in writers)

    def killed(path: Path, text: str) -> None:
        path.touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(Path, "write_text", killed)
        for writer in writers:
            with pytest.raises(KeyboardInterrupt):
                writer.put_bytes("log/1", b"one", if_absent=True)
    writers[0].put_bytes("log/1", b"one", if_absent=True)
    with pytest.raises(StoreError, match="has been the one writer"):
        writers[1].put_bytes("log/2", b"two", if_absent=True)


def test_who_may_not_read_whose_store_it_is_does_not_claim_it(store: ObjectStore, tmp_path: Path) -> None:
    def may_not(**_: object) -> None:
        raise refused(403)

    writer = unconditional(store, tmp_path, single=True)
    assert not writer.keeps_conditions
    writer.client.meta.events.register("before-call.s3.GetObject", may_not)
    with pytest.raises(StoreError, match="access denied"):
        writer.put_bytes("log/1", b"one", if_absent=True)
    assert not store.exists(single_writer.OWNER)


def test_a_write_whose_answer_was_lost_is_known_by_its_bytes(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_bytes("log/1", b"mine", if_absent=True)
    store.put_bytes("log/1", b"mine", if_absent=True)
    with pytest.raises(KeyTaken):
        store.put_bytes("log/1", b"theirs", if_absent=True)
    create = store.client.put_object

    def put(**names: object) -> None:
        create(**names)
        raise refused(500)  # to its last repetition

    monkeypatch.setattr(store.client, "put_object", put)
    store.put_bytes("log/2", b"mine", if_absent=True)
    assert store.get_bytes("log/2") == b"mine"
