"""People's ratings as a gate: enough samples rated, and the candidate shown to win often enough among the decided."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from models.contracts import ApprovalRequest, Estimate, GateResult, Rating, Ratings, Verdict
from tasks.formats import amount, count, percent_beside
from tasks.metrics.agreement import krippendorffs_alpha, win_rate


def judge_ratings(sheets: Iterable[Ratings], request: ApprovalRequest) -> GateResult:
    """By the rule of the request. A sample counts once, however many people rated it."""
    votes = _votes(sheets)
    verdicts = [_majority(said) for said in votes.values()]
    decided = Counter(verdicts)
    measured = win_rate(decided["candidate"], decided["candidate"] + decided["champion"])
    verdict, because = _judge(measured, len(verdicts), request)
    counted = (f"{count(len(verdicts))} of {amount(request.samples.rows, 'sample')} rated: candidate better {count(decided['candidate'])}, "
               f"champion {count(decided['champion'])}, same {count(decided['same'])}")  # fmt: skip
    return GateResult(gate="ratings", verdict=verdict, metric="win_rate", on="samples", measured=measured,
                      limit=request.win_rate, because=f"{counted}{_agreement(votes)}; {because}")  # fmt: skip


def _agreement(votes: Mapping[str, Sequence[str]]) -> str:
    """In words; nothing where no two people rated the same sample."""
    alpha = krippendorffs_alpha(votes.values())
    return "" if alpha is None else f"; people agree with Krippendorff's alpha {alpha:.2f}"


def _votes(sheets: Iterable[Ratings]) -> dict[str, list[str]]:
    """Content -> what each person says of it; of somebody who said it twice, what was handed in last."""
    said: dict[tuple[str, str], Rating] = {}
    for sheet in sorted(sheets, key=lambda sheet: sheet.at):
        said |= {(rating.content, rating.rater.casefold()): rating for rating in sheet.given}
    votes: dict[str, list[str]] = {}
    for rating in said.values():
        votes.setdefault(rating.content, []).append(rating.better)
    return votes


def _majority(votes: Sequence[str]) -> str:
    """What most of those say who see a difference; `same` where they are even."""
    lead = votes.count("candidate") - votes.count("champion")
    return "same" if not lead else "candidate" if lead > 0 else "champion"


def _judge(measured: Estimate, rated: int, request: ApprovalRequest) -> tuple[Verdict, str]:
    low, high = (percent_beside(end, request.win_rate, least=0) for end in (measured.low, measured.high))
    won = f"the candidate wins {measured.value:.0%} of {count(measured.n)} decided [{low}, {high}]"
    wanted = f"{100 * request.win_rate:.10g}%"
    if rated < request.ratings:
        return Verdict.INSUFFICIENT, request.lack or f"{count(request.ratings)} must be rated"
    if not measured.n:
        return Verdict.INSUFFICIENT, "nobody saw a difference"
    if measured.low >= request.win_rate:
        return Verdict.BLESSED, f"{won}, shown to be at least {wanted}"
    if measured.high < request.win_rate:
        return Verdict.REJECTED, f"{won}, shown to be below {wanted}"
    return Verdict.INSUFFICIENT, f"{won}: too few to show {wanted}"
