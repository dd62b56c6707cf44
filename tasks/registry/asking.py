"""Asking whether a version shall become champion, and taking a person's answer: each is written once, in a run."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import KeyTaken
from infra.files import sha256_of_bytes
from infra.flow_run import is_started_again, this_flow_run
from infra.object_store import ObjectStore
from infra.sealed import sealed, unsealed
from models.contracts import ApprovalAnswer, ApprovalRequest, GateResult, Manifest, Table
from models.part import parse_period
from models.sections import Approval
from tasks.registry.aliases import whoami
from tasks.registry.approvals import Question, find_answer, list_questions, refusal

Says = Literal["approve", "reject"]


@task(name="ask for approval", cache_policy=NO_CACHE)
def ask(
    manifest: Manifest, samples: Table, *, differing: int, approval: Approval, run_id: str, champion_version: int,
    now: datetime, store: ObjectStore,
) -> ApprovalRequest:  # fmt: skip
    """The question about a version; `differing`: on how many of its samples the models differ. Whoever asks it again, after
    a run that was killed, finds it as it was asked."""
    request = ApprovalRequest(
        version=manifest.version, run_id=run_id, champion_version=champion_version,
        manifest_sha256=sha256_of_bytes(store.get_bytes(store.keys.manifest(manifest.version))),
        asked_at=now, expires_at=now + parse_period(approval.expires), samples=samples,
        ratings=approval.ratings, win_rate=approval.win_rate, differing=differing,
    )  # fmt: skip
    key = store.keys.question(manifest.version)
    try:
        store.put_bytes(key, sealed(request), if_absent=True)
    except KeyTaken:
        return unsealed(ApprovalRequest, store.get_bytes(key), uri=store.uri(key))
    return request


@task(name="answer", cache_policy=NO_CACHE)
def give_answer(
    question: Question, verdict: Says, *, why: str, forced: bool, rated: GateResult | None,
    sheets: Iterable[str], now: datetime, store: ObjectStore,
) -> ApprovalAnswer:  # fmt: skip
    """The answer that stands: this one, or an earlier one that says the same. NotApproved where the earlier one says
    something else. `sheets`: the SHA-256 of the sheets behind `rated`."""
    answer = ApprovalAnswer(
        version=question.request.version, verdict=verdict, who=whoami(), at=now, why=why,
        request_sha256=question.request_sha256, forced=forced, rated=rated,
        ratings_sha256=tuple(sheets), flow_run=this_flow_run(),
    )  # fmt: skip
    try:
        store.put_bytes(store.keys.answer(answer.version), sealed(answer), if_absent=True)
    except KeyTaken:
        first = find_answer(answer.version, store=store)
        if first is None or first.verdict != verdict:
            raise refusal(question, now, store=store) from None
        return first
    return answer


def given_before(*, store: ObjectStore) -> int | None:
    """The version for which this Prefect run had answered before it was started again."""
    if not is_started_again():
        return None
    answers = (question.answer for question in list_questions(store=store).values())
    return next((answer.version for answer in answers if answer and answer.flow_run == this_flow_run()), None)
