"""The IAM policies of infra/iam/, by their text."""

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from infra.keys import Keys
from tasks.registry.documents import NAMELESS

FOLDER = Path(__file__).resolve().parent.parent.parent / "infra" / "iam"
ROLES = ("reader", "trainer", "releaser", "collector")
BUCKET, MODEL = "models-of-ours", "models/test"

WRITERS = {
    "blobs": {"trainer", "releaser"}, "candidates": {"trainer"}, "instruments": {"trainer"}, "jobs": {"trainer"}, "stages": {"trainer"}, "runs": {"trainer", "releaser"},
    "requests": {"trainer"}, "labels": {"trainer"}, "history": {"trainer", "releaser"}, "probe": {"trainer", "releaser"},
    "versions": {"releaser"}, "claims": {"releaser"}, "aliases": {"releaser"}, "moves": {"releaser"}, "tombstones": {"collector"},
    "approvals": {"releaser"},
}  # fmt: skip
"""Who writes what; a new kind of key must be decided upon here."""
ONLY_IF_ABSENT = {"claims/000001.json", "aliases/champion/1.json", "approvals/000001/answer.json", "history/1.json"}


def statements(role: str) -> list[dict[str, Any]]:
    text = (FOLDER / f"{role}.json").read_text().replace("BUCKET", BUCKET).replace("PREFIX", MODEL)
    found: list[dict[str, Any]] = json.loads(text)["Statement"]
    return found


def key_of(kind: str) -> str:
    """A record's."""
    return "versions/000001/manifest.json" if kind == "versions" else f"{kind}/x/y.json"


def allows(roles: str | list[str], action: str, key: str, *, if_absent: bool = False) -> bool:
    """What IAM would answer: something allows it and nothing denies it."""
    effects = set()
    for statement in (statement for role in _listed(roles) for statement in statements(role)):
        actions, resources = (_listed(statement[name]) for name in ("Action", "Resource"))
        applies = action in actions and any(fnmatchcase(f"arn:aws:s3:::{BUCKET}/{MODEL}/{key}", r) for r in resources)
        if applies and not ("Null" in statement.get("Condition", {}) and if_absent):
            effects.add(statement["Effect"])
    return effects == {"Allow"}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def kinds_of_keys() -> set[str]:
    """The first part of every key that `Keys` can make."""
    keys, samples = Keys(), {"alias": "champion", "kind": "rows", "stage": "s"}
    found = {value for value in vars(Keys).values() if isinstance(value, str) and "/" in value and "\n" not in value}
    for name, function in vars(Keys).items():
        if callable(function) and not name.startswith("_"):
            given = {
                k: samples.get(k, 1 if t is int else "x") for k, t in function.__annotations__.items() if k != "return"
            }
            found.add(getattr(keys, name)(**given))
    return {key.split("/")[0] for key in found}


def test_of_every_kind_of_key_it_is_decided_who_writes_it() -> None:
    assert kinds_of_keys() <= set(WRITERS)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_writes_what_it_must_and_nothing_else(role: str) -> None:
    for kind, writers in WRITERS.items():
        assert allows(role, "s3:PutObject", f"{kind}/x/y.json", if_absent=True) == (role in writers), kind


@pytest.mark.parametrize("role", ROLES)
def test_no_role_overwrites_what_was_released_or_deletes_the_log_of_it_and_only_gc_s_deletes_versions(
    role: str,
) -> None:
    released = {"versions/000001/manifest.json", "versions/000001/model.safetensors"}
    for key in ONLY_IF_ABSENT:
        assert not allows(role, "s3:DeleteObject", key)
    for key in {*ONLY_IF_ABSENT, "versions/000001/manifest.json"}:
        assert not allows(role, "s3:PutObject", key, if_absent=False)
    assert all(allows(role, "s3:DeleteObject", key) == (role == "collector") for key in released)
    assert not any(allows(role, "s3:DeleteObjectVersion", key) for key in ONLY_IF_ABSENT | released)


def test_who_collects_reads_no_row_and_no_weights() -> None:
    kinds = ("blobs/kept", "labels", "candidates", "versions/000001/model.safetensors")
    assert not any(allows("collector", "s3:GetObject", f"{kind}/x") for kind in kinds)
    assert not any(allows("collector", "s3:DeleteObject", f"{kind}/x.json") for kind in ("labels", "runs", "requests"))


def test_who_collects_reads_every_record_that_may_name_a_blob_and_gives_blobs_up_without_writing_any() -> None:
    records = [key_of(kind) for kind in kinds_of_keys() if not key_of(kind).startswith(NAMELESS)]
    assert records and all(allows("collector", "s3:GetObject", key) for key in records)
    assert allows("collector", "s3:PutObject", "blobs/kept/x.parquet.given-up")
    assert allows("collector", "s3:DeleteObject", "blobs/kept/x.parquet")
    assert not allows("collector", "s3:PutObject", "blobs/kept/x.parquet")


def test_a_reader_sees_releases_and_no_rows_of_data() -> None:
    assert allows("reader", "s3:GetObject", "versions/000001/model.safetensors")
    assert not any(allows("reader", "s3:GetObject", f"{kind}/x") for kind in ("blobs", "labels", "requests"))
