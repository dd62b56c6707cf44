"""Uploads that nobody ended, on a real server: gc shows them, and aborts them with --apply."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.multipart import Multipart
from infra.object_store import ObjectStore
from models.contracts import Removal
from tasks.registry.leftovers import collect_uploads
from tests.infra.transfers import uploads_under_way
from tests.registry.conftest import NewAddress, opened

AT_ONCE, WEEK = timedelta(0), timedelta(days=7)
PART = b"x" * 1000


def begun(store: ObjectStore, key: str, *, parts: int = 1) -> str:
    """An upload whose process was killed before it could note the id."""
    names = {"Bucket": store.bucket, "Key": store.prefix + key}
    upload = store.client.create_multipart_upload(**names)["UploadId"]
    for number in range(1, parts + 1):
        store.client.upload_part(**names, UploadId=upload, PartNumber=number, Body=PART)
    return str(upload)


def collected(store: ObjectStore, age: timedelta, *, apply: bool, seconds: float = 1) -> list[Removal]:
    now = datetime.now(UTC) + timedelta(seconds=seconds)
    return list(collect_uploads(age, now=now, apply=apply, store=store))


def test_without_apply_an_upload_is_only_shown_and_with_it_aborted(address: NewAddress) -> None:
    store = opened(address())
    begun(store, "candidates/x/model.safetensors", parts=2)
    (shown,) = collected(store, AT_ONCE, apply=False)
    assert (shown.what, shown.bytes, shown.removed) == ("upload of candidates/x/model.safetensors", 2000, True)
    assert uploads_under_way(store) == [store.prefix + "candidates/x/model.safetensors"]
    assert collected(store, AT_ONCE, apply=True) == [shown]
    assert uploads_under_way(store) == collected(store, AT_ONCE, apply=True) == []


def test_another_model_s_uploads_and_those_of_this_week_stay(address: NewAddress) -> None:
    store, where = opened(address()), address()
    other = opened({**where, "prefix": f"{store.prefix.removesuffix('/')}-large/"})
    begun(other, "versions/000001/model.safetensors")
    begun(store, "versions/000001/model.safetensors")
    assert collected(store, WEEK, apply=True) == []
    assert len(collected(store, AT_ONCE, apply=True)) == 1
    assert len(uploads_under_way(other)) == 1


@pytest.mark.slow
def test_an_upload_counts_as_old_from_its_last_part_on(address: NewAddress) -> None:
    store = opened(address())
    begun(store, "early")
    upload = begun(store, "late")
    time.sleep(2.1)  # the store's clock shows whole seconds
    halfway = datetime.now(UTC)
    time.sleep(1.1)
    store.client.upload_part(Bucket=store.bucket, Key=store.prefix + "late", UploadId=upload, PartNumber=2, Body=PART)
    old = list(collect_uploads(AT_ONCE, now=halfway, apply=True, store=store))
    assert [found.what for found in old] == ["upload of early"]


def test_of_parts_that_came_in_another_order_the_last_to_come_counts(address: NewAddress) -> None:
    store = opened(address())
    begun(store, "late", parts=2)

    def come_later(parsed: dict[str, Any], **_: object) -> None:
        parsed["Parts"][0]["LastModified"] += WEEK

    store.client.meta.events.register("after-call.s3.ListParts", come_later)
    assert collected(store, AT_ONCE, apply=True) == []


def test_who_would_go_on_with_an_aborted_upload_begins_anew(address: NewAddress) -> None:
    store = opened(address())

    def upload() -> Multipart:
        return Multipart(store.client, store.uri("k"), count=1, memory=store.work)

    first = upload()
    first.leave()
    collected(store, AT_ONCE, apply=True)
    again = upload()
    assert again.upload_id != first.upload_id and again.there == {}
    again.put(1, PART)
    assert store.get_bytes("k") == PART


@pytest.mark.parametrize("denied", ["ListMultipartUploads", "ListParts", "AbortMultipartUpload"])
def test_where_the_store_does_not_show_or_end_uploads_gc_says_so_and_does_not_fail(
    denied: str, address: NewAddress
) -> None:
    store = opened(address())
    begun(store, "candidates/x/model.safetensors")

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "List")

    store.client.meta.events.register(f"before-call.s3.{denied}", refuse)
    (said,) = collected(store, AT_ONCE, apply=True)
    assert not said.removed and "access denied" in said.because
    store.client.meta.events.unregister(f"before-call.s3.{denied}", refuse)
    assert len(uploads_under_way(store)) == 1


def test_a_server_that_ignores_the_prefix_costs_another_model_no_upload(address: NewAddress) -> None:
    store, other = opened(address()), opened(address())
    begun(other, "versions/000001/model.safetensors")

    def forget_the_prefix(params: dict[str, object], **_: object) -> None:
        del params["Prefix"]

    store.client.meta.events.register("provide-client-params.s3.ListMultipartUploads", forget_the_prefix)
    assert collected(store, AT_ONCE, apply=True) == []
    assert len(uploads_under_way(other)) == 1


def test_an_upload_that_ends_while_gc_looks_is_nobody_s(address: NewAddress) -> None:
    store, another = opened(address()), opened(address())
    upload = begun(store, "late")

    def end(**_: object) -> None:
        another.client.abort_multipart_upload(Bucket=store.bucket, Key=store.prefix + "late", UploadId=upload)

    store.client.meta.events.register("before-call.s3.ListParts", end)
    assert collected(store, AT_ONCE, apply=True) == []
