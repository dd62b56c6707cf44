"""Asking a person whether a blessed version shall become champion, and taking the answer."""

from datetime import UTC, datetime
from pathlib import Path

from errors import NotApproved, SpecError
from infra.object_store import ObjectStore
from models.contracts import ApprovalAnswer, Asked, Attempt, Manifest, Release, RunStart, Verdict
from models.spec import ModelSpec
from tasks.approval_samples import sample_answers
from tasks.opened import open_run_of
from tasks.rating_sheets import read_ratings, read_samples
from tasks.ratings import judge_ratings
from tasks.registry.approvals import (
    Question,
    Standing,
    find_question,
    keep_ratings,
    list_ratings,
    refusal,
    require_asked_about,
)
from tasks.registry.asking import Says, ask, give_answer
from tasks.registry.versions import read_version, weights_of
from tasks.scoring import score_rows
from tasks.written_specs import spec_begun_by

NO_REASON = "no reason given"


def ask_for_approval(
    spec: ModelSpec, start: RunStart, champion: Release, attempt: Attempt, challenger: Manifest | None, *,
    store: ObjectStore,
) -> Asked | None:  # fmt: skip
    """None where nothing was published, or the spec asks nobody."""
    approval = spec.release.approval
    if challenger is None or approval is None:
        return None
    rows, parent = attempt.training_set.test, weights_of(champion.manifest, store=store)
    old, new = (
        score_rows(rows, weights, kind=spec.kind, of=f"the {who}'s samples", store=store)
        for who, weights in (("champion", parent), ("candidate", attempt.candidate.weights))
    )
    samples = sample_answers(rows, old, new, kind=spec.kind, wanted=approval.samples, store=store)
    request = ask(
        challenger, samples.sheet, approval=approval, run_id=start.run_id, champion_version=champion.version,
        differing=min(samples.differing, samples.sheet.rows), now=datetime.now(UTC), store=store,
    )  # fmt: skip
    return Asked(request=request, samples=samples)


def reject(version: int, *, why: str, force: bool, store: ObjectStore) -> ApprovalAnswer:
    """The version stays where it is, and becomes champion only by force."""
    if not why.strip():
        raise SpecError("a rejection needs its reason: it is what the next person reads. Give one with --reason.")
    question = find_question(version, store=store)
    if question is None:
        read_version(version, store=store)  # says so where there is none
        raise SpecError(f"nobody asked about version {version}, so there is nothing to reject; `upkeep waiting SPEC` "
                        "lists what waits for an answer")  # fmt: skip
    return _answered(question, "reject", why=why, force=force, store=store)


def require_approval(
    spec: ModelSpec, version: int, *, why: str, force: bool, ratings: Path | None, store: ObjectStore
) -> str:
    """Records a person's yes, where the question, the time and the ratings allow it; answers with the reason that the
    alias' log is to keep: that of the yes, and why it is asked for again where there was one."""
    question = _find_asked(spec, version, store=store)
    if question is None:
        if spec.release.approval and not force:
            raise _never_asked(version)
        if ratings:
            raise SpecError(f"nobody was asked about version {version}, so there are no samples that {ratings} could rate; leave "
                            "the ratings out")  # fmt: skip
        return why or "approved by a person"
    require_asked_about(question, store=store)
    if ratings:
        _take_ratings(ratings, question, store)
    if force and question.answer and question.answer.verdict == "reject":
        return f"{why or NO_REASON}; forced, although {question.told(datetime.now(UTC))}"
    said = _answered(question, "approve", why=why or NO_REASON, force=force, store=store)
    again = f"; asked for again: {why}" if question.answer and why not in {"", said.why} else ""
    return f"approved by {said.who}{' (forced)' if said.forced else ''}: {said.why}{again}"


def _find_asked(spec: ModelSpec, version: int, *, store: ObjectStore) -> Question | None:
    """What was asked about a version, if nobody is just about to: a question to a champion would have no answer."""
    published_by = read_version(version, store=store).lineage.run_id
    begun = open_run_of(store=store)  # looked up in this order: a run publishes, asks and ends
    question = find_question(version, store=store)
    asks = begun and begun.run_id == published_by and spec_begun_by(begun, spec).release.approval
    if begun and asks and question is None:
        raise NotApproved(f"run {begun.run_id}, which published version {version}, has not ended and is about to ask about it. Wait for "
                          "it; if it was killed, `upkeep run SPEC` finishes it and asks.")  # fmt: skip
    return question


def _never_asked(version: int) -> NotApproved:
    return NotApproved(f"nobody was asked about version {version}, and release.approval wants an answer. If its run was killed, "
                       f"`upkeep run SPEC` asks; otherwise `upkeep promote SPEC --version {version} --force` promotes it without.")  # fmt: skip


def refuse_unapproved(spec: ModelSpec, version: int, *, store: ObjectStore) -> None:
    """Going back is no way around a question, nor around one that a run was killed before it asked."""
    question, now = _find_asked(spec, version, store=store), datetime.now(UTC)
    if question is None and spec.release.approval:
        raise _never_asked(version)
    if question and (standing := question.standing(now)) is not Standing.APPROVED:
        force = "" if standing is Standing.WAITS else " --force"
        raise NotApproved(f"version {version} was never champion, and {question.told(now)}; `upkeep promote SPEC "
                          f"--version {version}{force}` is the way to it")  # fmt: skip
    if question:
        require_asked_about(question, store=store)


def _answered(question: Question, says: Says, *, why: str, force: bool, store: ObjectStore) -> ApprovalAnswer:
    now = datetime.now(UTC)
    standing = question.standing(now)
    same = {"approve": Standing.APPROVED, "reject": Standing.REJECTED}[says]
    if standing not in {Standing.WAITS, same} and not (force and standing is Standing.EXPIRED):
        raise refusal(question, now, store=store)
    if question.answer:
        return question.answer
    sheets = list_ratings(question.request.version, store=store)
    rated = judge_ratings(sheets.values(), question.request) if sheets or question.request.ratings else None
    asked_for = question.request.ratings and says == "approve" and not force
    if rated and asked_for and rated.verdict is not Verdict.BLESSED:
        way_out = "Reject it," if question.request.lack else "Hand in more with --ratings FILE, reject it,"
        raise NotApproved(f"people's ratings do not bear out version {question.request.version} "
                          f"({rated.verdict.replace('_', ' ')}): {rated.because}. {way_out} "
                          "or approve it all the same with --force.")  # fmt: skip
    return give_answer(
        question, says, why=why, forced=force, rated=rated, sheets=sheets, now=now, store=store
    )  # fmt: skip


def _take_ratings(path: Path, question: Question, store: ObjectStore) -> None:
    shown = {sample.content for sample in read_samples(store.get_file(question.request.samples))}
    given = read_ratings(path, asked=shown, version=question.request.version)
    keep_ratings(given, question, now=datetime.now(UTC), store=store)
