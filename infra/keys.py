"""Where things are in a model's part of the bucket: every key is built here."""

import re
from collections.abc import Iterable

NEWEST_FIRST = 9_999_999_999
MANIFEST, SIGNATURE = "manifest.json", "model.sig"
"""Beside a version's files: what they are, and who says so."""


NAMED = re.compile(r".+", re.DOTALL)
"""What every object is but the markers of folders (`…/`) that consoles and mounts put there."""
RECORD = re.compile(r"[^.].*\.jsonl?")
"""What a record is. A file manager's notes (.DS_Store, Thumbs.db), which it puts wherever somebody looks, are none."""
_NUMBERED = re.compile(r"[a-z]+/(\d+)[-./]")
_RETURNED = re.compile(r"labels/([0-9]{10})\.jsonl")


def version_of(key: str) -> int | None:
    """That a claim, a tombstone, or what lies under a version or its approval is about. None of what others put there: a
    console's marker of a folder, a file manager's notes."""
    found = _NUMBERED.match(key)
    return int(found[1]) if found else None


def versions_of(keys: Iterable[str]) -> set[int]:
    return {version for version in map(version_of, keys) if version is not None}


def returned_number(key: str) -> int:
    """Of labels that came back; 0 of what somebody else put there."""
    found = _RETURNED.fullmatch(key)
    return NEWEST_FIRST - int(found[1]) if found else 0


class Keys:
    """Where things are, relative to the model's prefix."""

    runs = "runs/"
    open_run = f"{runs}open.json"
    history = "history/"
    claims = "claims/"
    versions = "versions/"
    requests = "requests/"
    labels = "labels/"
    aliases = "aliases/"
    candidates = "candidates/"
    instruments = "instruments/"
    """Models that measure others; no version consists of them."""
    stages = "stages/"
    moves = "moves/"
    tombstones = "tombstones/"
    jobs = "jobs/"
    result_name = "result.json"
    approvals = "approvals/"
    blobs = "blobs/"
    probe = "probe/"
    given_up = ".given-up"
    """Behind a blob's key: `upkeep gc` will delete the blob, and nobody may begin to rely on it."""

    def blob(self, kind: str, sha256: str, suffix: str, *, edition: int = 0) -> str:
        """Bytes under their own digest. What gc has given up is stored anew as the next edition."""
        return f"{self.blobs}{kind}/{sha256}{f'-{edition}' if edition else ''}{suffix}"

    def stage(self, stage: str, digest: str) -> str:
        return f"{self.stages}{stage}/{digest}.json"

    def candidate(self, digest: str) -> str:
        return f"{self.candidates}{digest}/"

    def claim(self, version: int) -> str:
        return f"{self.claims}{version:06d}.json"

    def version(self, version: int) -> str:
        return f"{self.versions}{version:06d}/"

    def manifest(self, version: int) -> str:
        return self.version(version) + MANIFEST

    def signature(self, version: int) -> str:
        return self.version(version) + SIGNATURE

    def alias(self, alias: str) -> str:
        return f"{self.aliases}{alias}/"

    def generation(self, alias: str, generation: int) -> str:
        return f"{self.alias(alias)}{NEWEST_FIRST - generation:010d}.json"

    def moves_to(self, version: int) -> str:
        return f"{self.moves}{version:06d}-"

    def move(self, version: int, token: str) -> str:
        """That an alias is being moved to a version."""
        return f"{self.moves_to(version)}{token}.json"

    def approval(self, version: int) -> str:
        return f"{self.approvals}{version:06d}/"

    def question(self, version: int) -> str:
        """That a person is asked whether a version shall become champion."""
        return f"{self.approval(version)}request.json"

    def answer(self, version: int) -> str:
        return f"{self.approval(version)}answer.json"

    def ratings(self, version: int) -> str:
        return f"{self.approval(version)}ratings/"

    def rated(self, version: int, digest: str) -> str:
        """One filled sheet."""
        return f"{self.ratings(version)}{digest}.json"

    def tombstones_of(self, version: int) -> str:
        return f"{self.tombstones}{version:06d}-"

    def tombstone(self, version: int, token: str) -> str:
        return f"{self.tombstones_of(version)}{token}.json"

    def run(self, run_id: str, name: str) -> str:
        return f"{self.runs}{run_id}/{name}"

    def opened(self, run_id: str) -> str:
        """The opening record of a bootstrap, promotion or rollback."""
        return self.run(run_id, "open.json")

    def owed(self, run_id: str) -> str:
        """The history entry of a run that leaves open what it told, or is about to move the alias: for whoever comes after it."""
        return self.run(run_id, "entry.json")

    def job(self, digest: str) -> str:
        """What a worker of another pool was asked to do."""
        return f"{self.jobs}{digest}/job.json"

    def result(self, digest: str) -> str:
        return f"{self.jobs}{digest}/{self.result_name}"

    def request(self, run_id: str) -> str:
        """The record of a labelling batch; run ids begin with the time, so the last key listed is the newest."""
        return f"{self.requests}{run_id}.json"

    def returned(self, number: int) -> str:
        """Labels that came back, newest first: where a label was corrected, the first row read is the right one."""
        return f"{self.labels}{NEWEST_FIRST - number:010d}.jsonl"

    def finished(self, sequence: int) -> str:
        return f"{self.history}{NEWEST_FIRST - sequence:010d}.json"
