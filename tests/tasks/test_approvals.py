"""A question is asked once and answered once, ends when the spec says so, and every byte of it counts."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import CorruptObject, NotApproved, SpecError
from infra.object_store import ObjectStore
from infra.sealed import sealed, unsealed
from models.contracts import ApprovalAnswer, ApprovalRequest, Candidate, Manifest, Misfit, Rating, Ratings, Table
from models.sections import Approval
from models.spec import parse_spec
from tasks.ratings import judge_ratings
from tasks.registry.approvals import Question, Standing, find_question, keep_ratings, list_questions, list_ratings
from tasks.registry.asking import Says, give_answer
from tasks.registry.audit import audit
from tasks.registry.comparing import describe_versions
from tasks.registry.retention import Retention, collect
from tests.models.test_spec import LEAST
from tests.questions import asked
from tests.releases import flip, moved, released, stored_candidate

NOW = datetime.now(UTC)
EXPIRES, LATER = NOW + timedelta(days=7), NOW + timedelta(days=8)


@pytest.fixture
def candidate(store: ObjectStore, tmp_path: Path) -> Candidate:
    return stored_candidate(store, tmp_path / "model", parent=1)


@pytest.fixture
def challenger(store: ObjectStore, candidate: Candidate) -> Manifest:
    """Version 1 is champion, version 2 waits for an answer."""
    moved(released(candidate, store, "run-1"), None, store)
    manifest = released(candidate, store, "run-2")
    asked(manifest, store, now=NOW)
    return manifest


def answered(
    store: ObjectStore, says: Says, *, why: str = "seen", now: datetime = NOW, forced: bool = False
) -> ApprovalAnswer:
    question = find_question(2, store=store)
    assert question is not None
    return give_answer.fn(question, says, why=why, forced=forced, rated=None, sheets=(), now=now, store=store)


# --- asking and expiring ---


def test_asking_again_finds_the_question_as_it_was_asked(challenger: Manifest, store: ObjectStore) -> None:
    again = asked(challenger, store, now=LATER, samples=3)
    assert again.asked_at == NOW
    assert (again.samples.rows, again.expires_at) == (10, NOW + timedelta(days=7))


SHEET = Table(uri="", sha256="", bytes=0, rows=1)


@given(st.integers(1, 10_000), st.integers(-20_000, 20_000), st.sampled_from([None, "approve", "reject"]))
def test_a_question_waits_exactly_until_it_expires_and_an_answer_is_for_good(
    minutes: int, elapsed: int, verdict: Says | None
) -> None:
    request = ApprovalRequest(
        version=2, run_id="r", champion_version=1, manifest_sha256="m", asked_at=NOW,
        expires_at=NOW + timedelta(minutes=minutes), samples=SHEET, ratings=0, win_rate=0.5, differing=1,
    )  # fmt: skip
    answer = ApprovalAnswer(version=2, verdict=verdict, who="ann", at=NOW, why="seen", request_sha256="q", forced=False,
                            rated=None, ratings_sha256=()) if verdict else None  # fmt: skip
    standing = Question(request, "q", answer).standing(NOW + timedelta(minutes=elapsed))
    if verdict:
        assert standing is {"approve": Standing.APPROVED, "reject": Standing.REJECTED}[verdict]
    else:
        assert (standing is Standing.WAITS) == (elapsed < minutes)


@pytest.mark.parametrize(
    ("approval", "refused"),
    [
        ({"expires": "soon"}, "release.approval: 'soon' is no period"),
        ({"expires": "0d"}, "over at once"),
        ({"samples": 20, "ratings": 21}, "ratings: 21 of samples: 20 can never be rated"),
        ({"samples": 4, "ratings": 2}, "samples: 4 cannot show a win_rate of 0.5.* at least 5 can"),
        ({"samples": 58, "ratings": 2, "win_rate": 0.95}, "at least 59 can"),
    ],
)
def test_a_spec_that_nobody_could_answer_is_refused(approval: dict[str, object], refused: str) -> None:
    with pytest.raises(SpecError, match=refused):
        parse_spec({**LEAST, "release": {"approval": approval}}, where="x")


def test_what_can_just_be_shown_is_accepted_and_an_empty_section_asks_with_the_defaults() -> None:
    assert Approval(samples=5, ratings=5).win_rate == 0.5
    assert Approval(samples=59, ratings=59, win_rate=0.95)
    assert parse_spec({**LEAST, "release": {"approval": {}}}, where="x").release.approval == Approval()


# --- answering ---


def test_the_first_answer_stands_and_is_named_to_whoever_says_something_else(
    challenger: Manifest, store: ObjectStore
) -> None:
    first = answered(store, "reject", why="it is rude")
    assert answered(store, "reject", why="me too") == first
    with pytest.raises(NotApproved, match=rf"version 2 was rejected by {first.who} on .* UTC: it is rude"):
        answered(store, "approve")


@pytest.mark.parametrize("other", ["reject", "approve"])
def test_of_many_answers_at_the_same_moment_one_is_left(challenger: Manifest, store: ObjectStore, other: Says) -> None:
    together = Barrier(8)

    def at_once(number: int) -> ApprovalAnswer | NotApproved:
        together.wait()
        try:
            return answered(store, "approve" if number % 2 else other, why=f"person {number}")
        except NotApproved as refused:
            return refused

    assert store.keeps_conditions
    with ThreadPoolExecutor(8) as people:
        came = list(people.map(at_once, range(8)))
    question = find_question(2, store=store)
    assert question is not None and question.answer is not None
    stands = [said for said in came if isinstance(said, ApprovalAnswer)]
    assert {said.why for said in stands} == {question.answer.why}
    assert len(stands) == (4 if other == "reject" else 8)
    assert all(question.answer.why in str(said) for said in came if isinstance(said, NotApproved))


def test_the_list_of_versions_says_what_was_asked_and_answered(challenger: Manifest, store: ObjectStore) -> None:
    def told(now: datetime) -> list[str]:
        return [line.approval for line in describe_versions(now=now, store=store)]

    assert told(NOW) == [f"waits until {NOW + timedelta(days=7):%Y-%m-%d %H:%M} UTC", ""]
    assert told(LATER) == [f"expired {NOW + timedelta(days=7):%Y-%m-%d %H:%M} UTC", ""]
    who = answered(store, "reject", why="it is rude").who
    assert told(LATER) == [f"rejected by {who} on {NOW:%Y-%m-%d %H:%M} UTC: it is rude", ""]


# --- gc ---


def test_gc_keeps_what_waits_for_an_answer_or_was_approved_and_not_what_expired_or_was_rejected(
    candidate: Candidate, store: ObjectStore
) -> None:
    old = NOW - timedelta(days=400)
    moved(released(candidate, store, "run-1", created_at=old), None, store)
    for number in range(2, 7):
        manifest = released(candidate, store, f"run-{number}", created_at=old)
        asked(manifest, store, now=old if number == 4 else NOW)
    for version, says in ((3, "approve"), (5, "reject")):
        question = find_question(version, store=store)
        assert question is not None
        give_answer.fn(question, says, why="seen", forced=False, rated=None, sheets=(), now=NOW, store=store)
    strict = Retention(versions=1, age=timedelta(days=30), entries=1)
    found = {r.what: r.because for r in collect(strict, under_way=False, now=NOW, apply=True, store=store)}
    assert found == {
        "version 1": "champion now", "version 2": "it waits for an answer",
        "version 3": "it was approved, and is not champion yet", "version 4": "nobody names it",
        "version 5": "nobody names it", "version 6": "it waits for an answer",
    }  # fmt: skip
    assert audit((), alias="champion", deep=False, store=store).misfits == ()
    assert set(list_questions(store=store)) == {2, 3, 4, 5, 6}


# --- the audit ---


@pytest.fixture
def answered_one(challenger: Manifest, store: ObjectStore) -> ObjectStore:
    question = find_question(2, store=store)
    assert question is not None
    keep_ratings((Rating(content="c", better="same", rater="ann"),), question, now=NOW, store=store)
    answered(store, "approve")
    return store


def test_of_what_somebody_says_and_takes_back_and_says_again_the_last_counts(
    challenger: Manifest, store: ObjectStore
) -> None:
    question = find_question(2, store=store)
    assert question is not None
    for hour, better in enumerate(["candidate", "champion", "candidate", "candidate"]):
        given = Rating.model_validate({"content": "c", "better": better, "rater": "ann"})
        keep_ratings((given,), question, now=NOW + timedelta(hours=hour), store=store)
    sheets = list_ratings(2, store=store).values()
    assert len(sheets) == 3
    assert "candidate better 1, champion 0" in judge_ratings(sheets, question.request).because


def misfits(store: ObjectStore) -> tuple[Misfit, ...]:
    return audit((), alias="champion", deep=False, store=store).misfits


def test_the_audit_counts_questions_answers_and_sheets_of_ratings(answered_one: ObjectStore) -> None:
    found = audit((), alias="champion", deep=True, store=answered_one)
    assert (found.approvals, found.misfits) == (3, ())


@pytest.mark.slow
def test_every_flipped_byte_of_a_question_an_answer_or_a_sheet_is_found(answered_one: ObjectStore) -> None:
    store = answered_one
    for key in store.list_keys(store.keys.approvals):
        whole = store.get_bytes(key)
        for place in range(0, len(whole), 31):
            flip(store, key, byte=place)
            found = misfits(store)
            assert found and store.key_of(found[0].uri) == key and "seal" in found[0].problem, (key, place)
            store.put_bytes(key, whole)
    flip(store, store.keys.question(2), byte=40)
    with pytest.raises(CorruptObject, match=r"request\.json"):
        find_question(2, store=store)


def sheet_of(store: ObjectStore) -> str:
    (key,) = store.list_keys(store.keys.ratings(2))
    return key


def rewritten(store: ObjectStore, key: str, kind: type, **changes: object) -> None:
    """By somebody who can seal what he writes."""
    record = unsealed(kind, store.get_bytes(key), uri=key)
    store.put_bytes(key, sealed(record.model_copy(update=changes)))


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (lambda s: rewritten(s, s.keys.question(2), ApprovalRequest, ratings=0, win_rate=0.1), "to another question"),
        (lambda s: s.delete(s.keys.question(2)), "the question is gone"),
        (lambda s: rewritten(s, s.keys.question(2), ApprovalRequest, version=7), "about version 7"),
        (lambda s: rewritten(s, s.keys.answer(2), ApprovalAnswer, at=LATER), "when the question had expired"),
        (lambda s: rewritten(s, s.keys.answer(2), ApprovalAnswer, at=EXPIRES), "when the question had expired"),
        (lambda s: rewritten(s, s.keys.answer(2), ApprovalAnswer, ratings_sha256=("a",)), "behind the answer are gone"),
        (lambda s: rewritten(s, sheet_of(s), Ratings, request_sha256="another"), "ratings are of another question"),
        (lambda s: s.put_bytes(s.keys.manifest(2), s.get_bytes(s.keys.manifest(1))), "another manifest of version 2"),
        (lambda s: s.delete(s.keys.manifest(2)), "another manifest of version 2"),
    ],
)
def test_what_does_not_belong_together_is_pointed_at(
    tamper: Callable[[ObjectStore], None], problem: str, answered_one: ObjectStore
) -> None:
    tamper(answered_one)
    assert any(re.search(problem, misfit.problem) for misfit in misfits(answered_one))


def test_a_forced_answer_may_come_late(challenger: Manifest, store: ObjectStore) -> None:
    answered(store, "approve", now=LATER, forced=True)
    assert misfits(store) == ()


def test_a_champion_that_nobody_answered_for_is_found(challenger: Manifest, store: ObjectStore) -> None:
    moved(challenger, 1, store, "by-hand")
    (misfit,) = misfits(store)
    assert misfit.problem == "version 2 became champion, and no answer is there"
