"""The questions whether a version shall become champion, and people's answers: in the store, so that they outlive every
process. A question is asked once and answered once; the first answer stands.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from errors import CorruptObject, KeyTaken, NotApproved
from infra.files import sha256_of_bytes
from infra.keys import RECORD, versions_of
from infra.object_store import ObjectStore
from infra.sealed import sealed, unsealed
from models.contracts import ApprovalAnswer, ApprovalRequest, Rating, Ratings
from tasks.formats import moment
from tasks.registry.aliases import whoami


class Standing(StrEnum):
    WAITS = "waits"
    EXPIRED = "expired"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Question:
    """What was asked about a version, and the answer where there is one."""

    request: ApprovalRequest
    request_sha256: str
    answer: ApprovalAnswer | None

    def standing(self, now: datetime) -> Standing:
        if self.answer:
            return Standing.APPROVED if self.answer.verdict == "approve" else Standing.REJECTED
        return Standing.WAITS if now < self.request.expires_at else Standing.EXPIRED

    def told(self, now: datetime) -> str:
        """In words."""
        standing = self.standing(now)
        if self.answer:
            return f"{standing} by {self.answer.who} on {moment(self.answer.at)}: {self.answer.why}"
        return f"{standing if standing is Standing.EXPIRED else 'waits until'} {moment(self.request.expires_at)}"


# --- what was asked -----------------------------------------------------------------------------------------


def find_question(version: int, *, store: ObjectStore) -> Question | None:
    """None where nothing was asked about a version."""
    key = store.keys.question(version)
    data = store.find_bytes(key)
    if data is None:
        return None
    request = unsealed(ApprovalRequest, data, uri=store.uri(key))
    return Question(request, sha256_of_bytes(data), find_answer(version, store=store))


def list_questions(*, store: ObjectStore) -> dict[int, Question]:
    """Version -> what was asked about it."""
    asked = sorted(versions_of(store.list_keys(store.keys.approvals)))
    found = {version: find_question(version, store=store) for version in asked}
    return {version: question for version, question in found.items() if question}


# --- what was answered --------------------------------------------------------------------------------------


def require_asked_about(question: Question, *, store: ObjectStore) -> None:
    """A yes is to this question, and to the manifest that people were asked about; CorruptObject tells of another one in the
    place of either. Where there is no manifest, whoever reads the version says what became of it."""
    if question.answer and question.answer.request_sha256 != question.request_sha256:
        raise CorruptObject(f"{store.uri(store.keys.answer(question.request.version))} is to another question than the one that is "
                            "there: one of the two was changed since. Nothing was changed now. Restore it from a copy or an older "
                            "object version.")  # fmt: skip
    key = store.keys.manifest(question.request.version)
    data = store.find_bytes(key)
    if data is not None and sha256_of_bytes(data) != question.request.manifest_sha256:
        raise CorruptObject(f"{store.uri(key)} is not the one that people were asked about: it was changed since. Nothing "
                            "was changed now. Restore it from a copy or an older object version.")  # fmt: skip


def refusal(question: Question, now: datetime, *, store: ObjectStore) -> NotApproved:
    """Why an answer comes too late, with the way out."""
    version = question.request.version
    question = find_question(version, store=store) or question
    told = question.told(now)
    if question.standing(now) is Standing.APPROVED:
        return NotApproved(f"version {version} was {told}. The first answer stands; once it is champion, "
                           "`upkeep rollback SPEC` goes back.")  # fmt: skip
    if question.standing(now) is Standing.REJECTED:
        return NotApproved(f"version {version} was {told}. The first answer stands: it becomes champion only with "
                           f"`upkeep promote SPEC --version {version} --force`.")  # fmt: skip
    return NotApproved(f"the question about version {version} {told}, unanswered. `upkeep run SPEC` makes a new challenger "
                       "where one is called for; --force answers all the same.")  # fmt: skip


def find_answer(version: int, *, store: ObjectStore) -> ApprovalAnswer | None:
    key = store.keys.answer(version)
    data = store.find_bytes(key)
    return None if data is None else unsealed(ApprovalAnswer, data, uri=store.uri(key))


# --- ratings ------------------------------------------------------------------------------------------------


def keep_ratings(given: tuple[Rating, ...], question: Question, *, now: datetime, store: ObjectStore) -> int:
    """Keeps a filled sheet beside the question; how many ratings that adds. Handed in again at once it is the one that is
    there; behind another one it is kept anew, since of what somebody says twice the last counts."""
    version = question.request.version
    sheet = Ratings(version=version, request_sha256=question.request_sha256, given=given, who=whoami(), at=now)
    newest = max(list_ratings(version, store=store).values(), key=lambda kept: kept.at, default=None)
    if newest and newest.given == given:
        return 0
    told = [[rating.model_dump() for rating in given], newest and newest.model_dump(mode="json")]
    key = store.keys.rated(version, sha256_of_bytes(json.dumps(told).encode()))
    with suppress(KeyTaken):
        store.put_bytes(key, sealed(sheet), if_absent=True)
    return len(given)


def list_ratings(version: int, *, store: ObjectStore) -> dict[str, Ratings]:
    """SHA-256 of a stored sheet -> what it says."""
    found = {key: store.get_bytes(key) for key in store.list_keys(store.keys.ratings(version), named=RECORD)}
    return {sha256_of_bytes(data): unsealed(Ratings, data, uri=store.uri(key)) for key, data in found.items()}
