"""What waits for a person's answer, with all that the answer should rest on. Changes nothing."""

from datetime import UTC, datetime
from pathlib import Path

from errors import SpecError
from flows.story import tell_evidence
from infra.object_store import ObjectStore
from infra.workspace import open_workspace
from models.contracts import ApprovalRequest, Evidence, GateResult, Record, SideBySide
from models.spec import read_spec
from tasks.formats import count, moment, typed
from tasks.rating_sheets import read_samples, write_sheet
from tasks.ratings import judge_ratings
from tasks.registry.approvals import Question, Standing, list_questions, list_ratings
from tasks.registry.challengers import find_unasked
from tasks.registry.versions import read_evidence, read_version

SHOWN_CHARACTERS = 60


class Waiting(Record):
    """A version that waits for an answer."""

    request: ApprovalRequest
    evidence: Evidence
    samples: tuple[SideBySide, ...]
    rated: GateResult | None
    """None where nothing was rated and nothing must be."""


def find_waiting(spec_path: Path, *, sheet: Path | None = None) -> tuple[Waiting, ...]:
    """Newest first. `sheet` names a new file for the samples of the newest, to be filled."""
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        asked, now = list_questions(store=work.store), datetime.now(UTC)
        waiting = [asked[v] for v in sorted(asked, reverse=True) if asked[v].standing(now) is Standing.WAITS]
        if sheet:
            _save(sheet, waiting, work.store)
        return tuple(_waiting(question, work.store) for question in waiting)


def describe_none(spec_path: Path) -> str:
    """Where nothing waits for an answer, a version may wait all the same: the spec, or a gate's warning, keeps it for a person."""
    spec = read_spec(spec_path)
    with open_workspace(spec_path, spec) as work:
        unasked = find_unasked(spec, store=work.store)
    kept = f"; version {unasked} waits to be promoted, which nobody is asked about: upkeep promote {typed(spec_path)} makes it champion"
    return f"nothing waits for an answer{kept if unasked else ''}"


def _waiting(question: Question, store: ObjectStore) -> Waiting:
    request = question.request
    sheets = list_ratings(request.version, store=store).values()
    return Waiting(
        request=request, evidence=read_evidence(read_version(request.version, store=store), store=store),
        samples=tuple(read_samples(store.get_file(request.samples))),
        rated=judge_ratings(sheets, request) if sheets or request.ratings else None,
    )  # fmt: skip


def _save(sheet: Path, waiting: list[Question], store: ObjectStore) -> None:
    if not waiting:
        raise SpecError("nothing waits for an answer, so there is no sheet to fill")
    if sheet.exists():
        raise SpecError(f"{sheet} exists and is not overwritten: somebody may have filled it; name a new file")
    sheet.parent.mkdir(parents=True, exist_ok=True)
    request = waiting[0].request
    write_sheet(read_samples(store.get_file(request.samples)), sheet, version=request.version)


def describe_waiting(found: Waiting) -> list[str]:
    """Lines: until when, the scorecard, the ratings, and the samples side by side."""
    request = found.request
    lines = [f"version {request.version} waits until {moment(request.expires_at)} to become champion after "
             f"version {request.champion_version} (run {request.run_id})", *tell_evidence(found.evidence)]  # fmt: skip
    if found.rated:
        lines.append(f"   ratings   {found.rated.verdict.replace('_', ' ')}: {found.rated.because}")
    lines.append(
        f"   samples   {count(request.samples.rows)}, those first on which the two differ: {request.samples.uri}"
    )
    return lines + [_side_by_side(sample) for sample in found.samples]


def _side_by_side(sample: SideBySide) -> str:
    truth = f", label {_shown(sample.label)}" if sample.label else ""  # a language model's rows have none
    champion = _sure(sample.champion, sample.champion_confidence)
    candidate = _sure(sample.candidate, sample.candidate_confidence)
    return (
        f"   {'≠' if sample.differs else '='} champion {champion}, candidate {candidate}{truth}: {_shown(sample.text)}"
    )


def _sure(answer: str, confidence: float | None) -> str:
    return _shown(answer) if confidence is None else f"{_shown(answer)} {confidence:.0%}"


def _shown(text: str) -> str:
    """In one line, and without what a terminal would obey: the model wrote it, or whoever wrote to the model."""
    flat = " ".join(text.split())
    short = flat if len(flat) <= SHOWN_CHARACTERS else flat[: SHOWN_CHARACTERS - 1] + "…"
    return "".join(c if c.isprintable() else "?" for c in short)
