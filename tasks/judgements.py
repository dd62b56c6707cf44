"""A judge's verdicts in words."""

from models.contracts import Judgement
from tasks.formats import amount, count, percent, value


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
