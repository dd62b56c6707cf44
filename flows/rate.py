"""Human evaluation: people see both models' answers without knowing whose is whose, and say which is better."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from errors import SpecError
from infra.object_store import ObjectStore
from infra.workspace import open_workspace
from models.contracts import ApprovalRequest, GateResult, Rating, Verdict
from models.spec import read_spec
from tasks.blinding import Blind, Choice, blind, unblind
from tasks.formats import amount, typed
from tasks.rating_page import read_page_ratings, write_page
from tasks.rating_sheets import read_samples
from tasks.ratings import judge_ratings
from tasks.registry.approvals import Question, Standing, keep_ratings, list_questions, list_ratings

Choose = Callable[[Blind, int, int], Choice | None]
"""Shows a sample, its number and how many there are; None: enough for now."""


@dataclass(frozen=True)
class Rated:
    request: ApprovalRequest
    kept: int
    """Ratings that this call has added."""
    none_left: str
    """Why there was none to add; empty where there was."""
    verdict: GateResult
    """Of all ratings so far."""


def rate(
    spec_path: Path, *, rater: str, choose: Choose, warn: Callable[[str], None], version: int | None = None
) -> Rated:
    """Asks for each sample that this person has not rated yet. What was said is kept, however it ends. `warn` is told before
    the first one where no ratings can suffice."""
    if not rater.strip():
        raise SpecError("a rating needs a name, so that it can be told how far people agree; give one with --rater")
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        question = _open_question(version, work.store)
        open_ = _unrated(question, rater, work.store)
        if open_ and question.request.lack:
            warn(lacking(question.request))
        given: list[Rating] = []
        try:
            for number, sample in enumerate(open_, start=1):
                choice = choose(sample, number, len(open_))
                if choice is None:
                    break
                better = unblind(sample.content, choice, question=question.request_sha256)
                given.append(Rating(content=sample.content, better=better, rater=rater.strip()))
        finally:
            if given:
                keep_ratings(tuple(given), question, now=datetime.now(UTC), store=work.store)
        none_left = "" if open_ else f"{rater.strip()} has rated every sample already"
        return _so_far(question, len(given), none_left, work.store)


def lacking(request: ApprovalRequest) -> str:
    return f"of the samples of version {request.version} {request.lack}"


def write_rating_page(spec_path: Path, page: Path, *, version: int | None = None) -> ApprovalRequest:
    """One HTML file with all samples; what it asks about."""
    if page.exists():
        raise SpecError(f"{page} exists and is not overwritten; name a new file")
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        question = _open_question(version, work.store)
        request = question.request
        write_page(
            _samples(question, work.store),
            page,
            model=spec.name,
            version=request.version,
            question=question.request_sha256,
        )
        return request


def take_ratings(spec_path: Path, files: Sequence[Path], *, version: int | None = None) -> Rated:
    """Takes what pages have saved; nothing is kept where one of the files is refused."""
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        question = _open_question(version, work.store)
        asked = {sample.content for sample in _samples(question, work.store)}
        read = [read_page_ratings(file, asked=asked, question=question.request_sha256) for file in files]
        kept = [keep_ratings(given, question, now=datetime.now(UTC), store=work.store) for given in read]
        return _so_far(question, sum(kept), "" if any(kept) else "all of them were handed in before", work.store)


def describe_rated(rated: Rated, spec_path: Path) -> list[str]:
    version, which = rated.request.version, f"{typed(spec_path)} --version {rated.request.version}"
    why = f": {rated.none_left}" if rated.none_left else ""
    said = f"{amount(rated.kept, 'rating')} kept{why}; version {version}: {rated.verdict.because}"
    if rated.request.ratings and not rated.request.lack and rated.verdict.verdict is not Verdict.BLESSED:
        return [
            said,
            f"a yes needs more: upkeep rate {which} --rater NAME asks somebody else; upkeep reject {which} --reason … says no",
        ]
    force = " --force" if rated.request.lack else ""
    return [said, f"upkeep approve {which} --reason …{force} or upkeep reject {which} --reason … answers the question"]


def _open_question(version: int | None, store: ObjectStore) -> Question:
    now, asked = datetime.now(UTC), list_questions(store=store)
    waiting = [v for v in sorted(asked, reverse=True) if asked[v].standing(now) is Standing.WAITS]
    with suppress(IndexError):
        found = asked.get(waiting[0] if version is None else version)
        if found and found.request.version in waiting:
            return found
    if version is None:
        raise SpecError("no version waits for an answer, so there is nothing to rate; release.approval makes runs ask")
    why = asked[version].told(now) if version in asked else "nobody was asked about it"
    raise SpecError(f"version {version} waits for no answer: {why}; `upkeep waiting SPEC` shows what does")


def _samples(question: Question, store: ObjectStore) -> list[Blind]:
    samples = read_samples(store.get_file(question.request.samples))
    return [blind(sample, question=question.request_sha256) for sample in samples]


def _unrated(question: Question, rater: str, store: ObjectStore) -> list[Blind]:
    sheets = list_ratings(question.request.version, store=store).values()
    done = {r.content for sheet in sheets for r in sheet.given if r.rater.casefold() == rater.strip().casefold()}
    return [sample for sample in _samples(question, store) if sample.content not in done]


def _so_far(question: Question, kept: int, none_left: str, store: ObjectStore) -> Rated:
    sheets = list_ratings(question.request.version, store=store).values()
    verdict = judge_ratings(sheets, question.request)
    return Rated(question.request, kept, none_left, verdict)
