"""Does everything that people were asked and said fit? The part of the audit that reads `approvals/`."""

from collections.abc import Collection, Iterator
from typing import TypeVar

from errors import CorruptObject
from infra.files import sha256_of_bytes
from infra.keys import RECORD, versions_of
from infra.object_store import ObjectStore
from infra.sealed import unsealed
from models.contracts import ApprovalAnswer, ApprovalRequest, Misfit, Ratings, Record
from tasks.registry.moving import is_entombed

R = TypeVar("R", bound=Record)


def check_approvals(champions: Collection[int], *, store: ObjectStore) -> list[Misfit]:
    """Seals, whether each record is about what it says it is about, whether an answer came in time, and whether there
    is one to each version that became champion."""
    asked = sorted(versions_of(store.list_keys(store.keys.approvals)))
    return [misfit for v in asked for misfit in _Asked(v, store).misfits(was_champion=v in champions)]


class _Asked:
    """What lies under the approval of one version."""

    def __init__(self, version: int, store: ObjectStore) -> None:
        self.version, self.store, self.found = version, store, list[Misfit]()
        self.question, self.question_sha256 = self._read(ApprovalRequest, store.keys.question(version))
        self.answer, self.answer_sha256 = self._read(ApprovalAnswer, store.keys.answer(version))
        self.sheets = {
            key: self._read(Ratings, key) for key in store.list_keys(store.keys.ratings(version), named=RECORD)
        }

    def misfits(self, *, was_champion: bool) -> list[Misfit]:
        if was_champion and self.answer_sha256 is None:
            key = self.store.keys.answer(self.version)
            self.found.append(self._misfit(key, f"version {self.version} became champion, and no answer is there"))
        self.found += self._about_the_question()
        self.found += self._about_the_answer()
        for key, (sheet, _) in self.sheets.items():
            if sheet and sheet.request_sha256 != self.question_sha256:
                self.found.append(self._misfit(key, "the ratings are of another question than the one that is there"))
        return self.found

    def _about_the_question(self) -> Iterator[Misfit]:
        key = self.store.keys.question(self.version)
        if self.question_sha256 is None:
            yield self._misfit(key, "the question is gone, and what belongs to it is there")
        elif self.question and self.question.version != self.version:
            yield self._misfit(key, f"the question is about version {self.question.version}: it was written elsewhere")
        elif self.question and self._manifest_sha256() not in {None, self.question.manifest_sha256}:
            yield self._misfit(key, f"the question is about another manifest of version {self.version} than is there")

    def _about_the_answer(self) -> Iterator[Misfit]:
        answer, key = self.answer, self.store.keys.answer(self.version)
        if answer is None:
            return
        if answer.request_sha256 != self.question_sha256:
            yield self._misfit(key, "the answer is to another question than the one that is there")
        elif self.question and answer.at >= self.question.expires_at and not answer.forced:
            yield self._misfit(key, f"the answer came at {answer.at}, when the question had expired, and is not forced")
        gone = set(answer.ratings_sha256) - {sha256 for _, sha256 in self.sheets.values()}
        if gone:
            yield self._misfit(key, f"{len(gone)} of the sheets of ratings behind the answer are gone or changed")

    def _read(self, kind: type[R], key: str) -> tuple[R | None, str | None]:
        """The record and the SHA-256 of its bytes; a broken seal is a misfit, and nothing there is (None, None)."""
        data = self.store.find_bytes(key)
        if data is None:
            return None, None
        sha256 = sha256_of_bytes(data)
        try:
            return unsealed(kind, data, uri=self.store.uri(key)), sha256
        except CorruptObject:
            self.found.append(self._misfit(key, "the record is not what was written: its seal does not fit"))
            return None, sha256

    def _manifest_sha256(self) -> str | None:
        """None where `upkeep gc` deleted the version."""
        data = self.store.find_bytes(self.store.keys.manifest(self.version))
        if data is None:
            return None if is_entombed(self.version, store=self.store) else ""
        return sha256_of_bytes(data)

    def _misfit(self, key: str, problem: str) -> Misfit:
        return Misfit(uri=self.store.uri(key), problem=problem)
