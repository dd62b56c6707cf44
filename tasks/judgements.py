"""A judge's verdicts as a metric of the scorecard, and in words."""

from models.contracts import Judgement, Scorecard
from tasks.formats import amount, count, percent, value
from tasks.metrics.win_rate import compare_by_wins

WORTH = {"champion": 0.0, "candidate": 1.0, "same": 0.5, "flipped": 0.5}
"""Of a pair to the candidate; others were not judged."""


def with_judgement(scorecard: Scorecard, judgement: Judgement) -> Scorecard:
    """The win rate comes last, since the kind's own first metric decides. Without a judged pair there is none, and a gate
    that asks for it fails closed."""
    won = [WORTH[pair.said] for pair in judgement.pairs if pair.said in WORTH]
    compared = (compare_by_wins(won, flipped=judgement.count("flipped")),) if won else ()
    return scorecard.model_copy(update={"comparisons": (*scorecard.comparisons, *compared), "judgement": judgement})


def tell_judgement(judgement: Judgement) -> str:
    """What the win rate rests on: the counts, what was left out, what it cost."""
    found, drawn = judgement, len(judgement.pairs)
    of = f"{drawn:,} of {found.of_rows:,} new sealed rows, drawn at random" if drawn < found.of_rows else (
        f"all {amount(drawn, 'new sealed row')}")  # fmt: skip
    told = [f"candidate better {found.count('candidate')}", f"champion {found.count('champion')}",
            f"same {found.count('same')}"]  # fmt: skip
    if found.count("flipped"):
        told.append(f"verdict went with the order {found.count('flipped')} ({percent(found.count('flipped') / drawn)})")
    if found.unjudged:
        told.append(
            f"left out {found.unjudged} ({found.count('unread')} without a verdict, {found.count('failed')} failed)"
        )
    spent = f"; {amount(found.asked, 'request')}, {count(found.failed)} failed" if found.asked else ""
    cost = "" if found.cost is None else f", cost {value('cost_per_1000', found.cost)}"
    return f"{found.judge} judged {of}: {', '.join(told)}{spent}{cost}"
